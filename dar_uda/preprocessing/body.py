"""Where the body lies in a scan, found without labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dar_uda.preprocessing.intensity import scaled

LONGEST_SIDE = 128
OPENING_VOXELS = 2
TRIMMED = 0.005
SMALLEST_FRACTION = 0.05
AIR = 0.06
"""Intensities below count as 0: the thresholds are the same whether air is noise or was replaced by a fill."""


def body_extent(array: NDArray, plane: Sequence[int], levels: tuple[float, float]) -> list[tuple[float, float]]:
    """Return where the body begins and ends along the two axes of the slice plane, in voxels.

    The body is the largest connected part above the lower of two Otsu thresholds (air | fat and dim tissue | bright
    tissue), median-filtered in-plane so that single bad voxels do not count, and opened in-plane so that a table lets
    go of it; half a percent of it is trimmed at each end.

    Args:
        array: The scan, axes in any order; sides above 128 voxels are read at every n-th voxel.
        plane: The two axes of the slice plane.
        levels: Values that count as 0 and as 1.

    Raises:
        ValueError: Nothing in the scan is large enough to be a body.
    """
    steps = [-(-side // LONGEST_SIDE) for side in array.shape]
    read = array[tuple(slice(None, None, step) for step in steps)]
    body = _largest_part(scaled(read, *levels), plane)
    if body.mean() < SMALLEST_FRACTION:
        raise ValueError(
            f"DAR-159: Found no body: the largest bright part fills {body.mean():.1%} of the scan, expected at least "
            f"{SMALLEST_FRACTION:.0%}; set body_width of the grid to null"
        )
    return [_span(body, axis, steps[axis]) for axis in plane]


def _largest_part(array: NDArray[np.float32], plane: Sequence[int]) -> NDArray[np.bool_]:
    import SimpleITK as sitk

    in_plane = np.array([axis in plane for axis in reversed(range(3))], int)
    image = sitk.GetImageFromArray(np.where(array < AIR, np.float32(0), array))
    tissue = sitk.OtsuMultipleThresholds(sitk.Median(image, in_plane.tolist()), 2) > 0
    parts = sitk.ConnectedComponent(sitk.BinaryMorphologicalOpening(tissue, (OPENING_VOXELS * in_plane).tolist()))
    return sitk.GetArrayFromImage(sitk.RelabelComponent(parts)) == 1


def _span(body: NDArray[np.bool_], axis: int, step: int) -> tuple[float, float]:
    others = tuple(other for other in range(3) if other != axis)
    below = np.append(0, np.cumsum(body.sum(axis=others)) / body.sum())
    edges = np.interp([TRIMMED, 1 - TRIMMED], below, np.arange(below.size))
    first, last = edges * step - (step - 1) / 2  # each voxel read is the middle of `step` voxels
    return float(first), float(last)
