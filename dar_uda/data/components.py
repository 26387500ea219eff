"""Connected components of the structures of a mask; voxels are neighbors across faces, edges and corners."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def component_sizes(classes: NDArray[np.uint8], structures: int) -> list[NDArray[np.intp]]:
    """Return the voxels of every connected component of each class from 1 on; none for a class that is not there."""
    boxes = ndimage.find_objects(classes, structures)
    return [
        _sizes(_components(classes[box] == label)) if box else np.zeros(0, np.intp)
        for label, box in enumerate(boxes, start=1)
    ]


def keep_largest(classes: NDArray[np.uint8], labels: Sequence[int]) -> NDArray[np.uint8]:
    """Return a mask in which each of some classes is its largest connected component, the rest background."""
    kept = classes.copy()
    for label in labels:
        components = _components(classes == label)
        sizes = _sizes(components)
        if len(sizes) > 1:
            kept[(components > 0) & (components != sizes.argmax() + 1)] = 0
    return kept


def _components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of every voxel's component, from 1; 0 outside the mask."""
    return ndimage.label(mask, np.ones((3, 3, 3)))[0]


def _sizes(components: NDArray[np.int32]) -> NDArray[np.intp]:
    return np.bincount(components.ravel())[1:]
