"""How large the structures of a label are, and where they lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from dar_uda.data.geometry import canonical_axes, spacing_of
from dar_uda.data.grid import Grid, middle_of

FOREGROUND = (0.5, 99.5)
"""Percentiles of the foreground that count as its darkest and brightest, as in nnU-Net."""


@dataclass(frozen=True)
class Extent:
    """One structure of one label.

    Attributes:
        voxels: How many it has.
        low, high: Its edges in mm from the scan's center, along (width, height, depth) of the canonical layout.
        thickness: Twice its area by its perimeter in mm, in the middle one of its slices: the width of a band, the
            radius of a disk.
        intensities: Darkest and brightest value of its voxels, see `FOREGROUND`.
    """

    voxels: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    thickness: float
    intensities: tuple[float, float]


def extents_of(label: NDArray[np.int64], array: NDArray[Any], grid: Grid) -> dict[int, Extent]:
    """Return the extent of every value of a label but 0.

    Args:
        label: Whole numbers, of the grid's shape.
        array: The scan's values, of the same shape.
        grid: That of the label and its scan.
    """
    axes, signs = canonical_axes(grid)
    order, senses = list(axes[::-1]), np.array(signs[::-1])
    own = np.array(spacing_of(grid.affine))
    extents = {}
    values, ranks = np.unique(label, return_inverse=True)  # a list of boxes is as long as the highest number
    boxes = find_objects(ranks.reshape(label.shape) + 1)
    for value, box in zip(values.tolist(), boxes, strict=True):
        if value < 1:
            continue
        mask = label[box] == value
        edges = np.array([[part.start - 0.5, part.stop - 0.5] for part in box]).T
        offsets = ((edges - middle_of(grid.shape)) * own)[:, order] * senses
        low, high = three(offsets.min(axis=0)), three(offsets.max(axis=0))
        thickness = thickness_of(mask.transpose(order), own[order])
        extents[value] = Extent(int(mask.sum()), low, high, thickness, range_of(array[box][mask]))
    return extents


def range_of(values: NDArray[Any]) -> tuple[float, float]:
    """Return the darkest and the brightest of some values, but for the outermost half percent."""
    low, high = np.percentile(values, FOREGROUND)
    return float(low), float(high)


def three(numbers: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return three numbers of an array as a tuple."""
    first, second, third = (float(number) for number in numbers)
    return first, second, third


def thickness_of(mask: NDArray[np.bool_], spacing: NDArray[np.float64]) -> float:
    """Return twice the area of a mask by its perimeter, in mm, in the middle one of its slices.

    Args:
        mask: Of shape (width, height, depth), True in its middle slice or near it.
        spacing: mm along these axes.
    """
    filled = np.flatnonzero(mask.any(axis=(0, 1)))
    plane = np.pad(mask[:, :, filled[len(filled) // 2]], 1)
    across, down = np.abs(np.diff(plane.astype(np.int8), axis=0)).sum(), np.abs(np.diff(plane.astype(np.int8))).sum()
    perimeter = np.pi / 4 * (across * spacing[1] + down * spacing[0])  # edges of voxels are longer than a smooth line
    return float(2 * plane.sum() * spacing[0] * spacing[1] / perimeter)
