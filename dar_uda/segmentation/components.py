"""False blobs far from an organ, removed where the source's labels say that it is one piece."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dar_uda.data.network_volume import open_label

LEAST_SHARE = 0.99


def single_structures(labels: Sequence[str | Path], structures: int) -> list[int]:
    """Return the classes that are one connected piece, or nearly (99 %), in every label map that has them.

    Args:
        labels: Label maps on the network grid.
        structures: Number of structures, classes 1..K.
    """
    shares: dict[int, float] = {}
    for path in labels:
        classes = open_label(path)
        for label in range(1, structures + 1):
            sizes = _piece_sizes(_pieces(classes == label))
            if len(sizes):
                shares[label] = min(shares.get(label, 1.0), sizes.max() / sizes.sum())
    return [label for label, share in sorted(shares.items()) if share >= LEAST_SHARE]


def keep_largest(classes: NDArray[np.uint8], labels: Sequence[int]) -> NDArray[np.uint8]:
    """Return a mask in which each of some classes is its largest connected piece, the rest background.

    Voxels are neighbours across faces, edges and corners.
    """
    kept = classes.copy()
    for label in labels:
        pieces = _pieces(classes == label)
        sizes = _piece_sizes(pieces)
        if len(sizes) > 1:
            kept[(pieces > 0) & (pieces != sizes.argmax() + 1)] = 0
    return kept


def _pieces(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of every voxel's piece, from 1; 0 outside the mask."""
    return ndimage.label(mask, np.ones((3, 3, 3)))[0]


def _piece_sizes(pieces: NDArray[np.int32]) -> NDArray[np.intp]:
    return np.bincount(pieces.ravel())[1:]
