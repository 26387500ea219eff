"""From the network grid back to the scan's own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import read_grids
from dar_uda.data.volume import Volume


def restore_classes(probabilities: NDArray[np.float32], grid: str | Path) -> Volume:
    """Return the likeliest class of every voxel of the scan, background beyond the network grid.

    Probabilities are interpolated, not classes: borders keep the place between voxels that the network gave them.
    One class is on the scan's grid at a time.

    Args:
        probabilities: (classes, depth, height, width) on the network grid, background first.
        grid: JSON that `preprocess_image` wrote.

    Raises:
        ValueError: The probabilities are not on the network grid.
    """
    from dar_uda.preprocessing.resample import resample

    original, network = read_grids(grid)
    expected = network.shape[::-1]
    if probabilities.shape[1:] != expected:
        raise ValueError(
            f"{grid}: found probabilities of shape {probabilities.shape[1:]}, expected {expected}; "
            "the image and this file are of two preprocessings: run preprocess_case again (-R preprocess_case)"
        )
    classes = np.zeros(original.shape, np.uint8)
    highest = np.full(original.shape, -1, np.float32)
    for index, probability in enumerate(probabilities):
        beyond = 1 if index == 0 else 0
        moved = resample(probability.T, network.affine, original.affine, original.shape, "linear", fill=beyond)
        classes[moved > highest] = index
        np.maximum(highest, moved, out=highest)
    return Volume(classes, original)
