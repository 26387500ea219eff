"""The range of a scan's values, which a thousandth of its voxels cannot decide."""

import numpy as np
from numpy.typing import NDArray

BAD_FRACTION = 0.001
"""Of a scan's voxels: so many may have any value without moving the others."""
DARK_TOLERANCE = 0.005
"""Of the range: the most that the bad voxels move the dark level."""
BEYOND = 2
"""Ranges by which a value may lie beyond that range; what lies farther is not of the picture."""
SAMPLE = 2**20


def intensity_range(values: NDArray[np.float32], voxels: int) -> tuple[float, float]:
    """Return the dark level of a scan, and a bright one.

    The dark level is the minimum, unless fewer than about a hundredth of the voxels are far darker than the rest: it is
    the highest function of the sorted values v that lies at most `DARK_TOLERANCE` of the range above the minimum for
    every thousandth of the voxels. Such an envelope, the maximum over j of v[j] - j s, changes by at most m s if any m
    values change (Pasch and Hausdorff; see Hiriart-Urruty, "Extension of Lipschitz functions", 1980).

    Args:
        values: Those of a scan without its fill, sorted.
        voxels: Of the whole scan.
    """
    bad = BAD_FRACTION * voxels
    middle = (values.size - 1) // 2
    few, more = min(int(2 * bad), middle), min(int(10 * bad), middle)
    bottom, usual, top = float(values[few]), float(values[-1 - more]), float(values[-1 - few])
    lower = values[: middle + 1].astype(np.float64)
    lower -= DARK_TOLERANCE * (usual - bottom) / bad * np.arange(lower.size)
    return float(lower.max()), top


def sampled(values: NDArray) -> NDArray:
    """Return at most about a million values, evenly spread."""
    return values[:: max(1, values.size // SAMPLE)]


def picked(values: NDArray, mask: NDArray[np.bool_]) -> NDArray:
    """Return the values in a mask as they lie in memory: a mask picks out of NIfTI's order 15 times slower.

    Args:
        values: In any order.
        mask: Of the same shape and order in memory.
    """
    if values.flags.f_contiguous and mask.flags.f_contiguous:
        return values.T[mask.T]
    return values[mask]
