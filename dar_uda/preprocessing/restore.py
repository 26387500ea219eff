"""From the network grid back to the scan's own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import read_grids
from dar_uda.data.volume import Volume


def restore_mask(mask: NDArray[np.uint8], grid: str | Path) -> Volume:
    """Return a label map on the grid of the scan it was predicted for, background beyond the network grid.

    Args:
        mask: Classes, shape (depth, height, width) of the network grid.
        grid: JSON that `preprocess_image` wrote.

    Raises:
        ValueError: The mask is not uint8 or not of the network grid's shape.
    """
    from dar_uda.preprocessing.resample import resample

    original, network = read_grids(grid)
    expected = network.shape[::-1]
    if mask.dtype != np.uint8 or mask.shape != expected:
        raise ValueError(f"{grid}: found a mask {mask.dtype} of shape {mask.shape}, expected uint8 of shape {expected}")
    array = resample(mask.T, network.affine, original.affine, original.shape, "label_linear", fill=0)
    return Volume(array, original)
