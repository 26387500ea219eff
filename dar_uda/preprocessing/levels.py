"""What becomes 0 and 1 of a scan that has no window, whatever lies outside the patient and in a few bad voxels."""

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.values import BAD_FRACTION, sampled

BRIGHT_TOLERANCE = 0.0125
"""Of the range: the most that the bad voxels move the bright level."""
NATURAL_ZERO = ((-0.02, -0.01, 0.3, 0.5), (-0.02, 0.0, 0.0, 0.5))
"""Dark levels, as parts of the bright one, and what counts for each: near 0 the zero of magnitude images."""
PATIENTS = 5
"""A usual scan with a percentile has as many voxels as this times those that are as bright as its patient."""
PEAK = 0.02
"""Of the voxels: the brightest, which do not say how bright the patient is."""
FLOOR = 0.5
"""Of the patient's mean: the bright level is not below."""
GRID_PARTS = 2
"""A thousandth of the scan counts on the grid where that has at least half of the scan's voxels."""


def zero_of(dark: float, top: float) -> float:
    """Return what becomes 0 where no window says so: the dark level, or 0 where that is near 0.

    Magnitude images have a zero of their own. The dark level depends on whether air is in the picture or was replaced
    by a fill; that zero does not.

    Args:
        dark, top: See `ends`.
    """
    if top <= 0 or not NATURAL_ZERO[0][0] <= dark / top <= NATURAL_ZERO[0][-1]:
        return dark
    return top * float(np.interp(dark / top, *NATURAL_ZERO))


def bright_level(values: NDArray[np.float32], zero: float, percentile: float, voxels: int) -> float:
    """Return what becomes 1: the percentile of a usual scan of this patient, whatever surrounds him.

    The patient's voxels are counted by their brightness, by which air hardly counts. Where the quantiles near the
    percentile are far apart, it is the level below, on which a thousandth of the voxels has no more than
    `BRIGHT_TOLERANCE` of influence: the minimum over j of b[j] exp(j s), with the brightness b in falling order,
    changes by no more than a factor exp(m s) if any m values change; see `dar_uda.data.values.ends`. Where they are
    near, as in most scans, this is the percentile itself.

    Args:
        values: Those on the network grid, any order.
        zero: See `zero_of`.
        percentile: In (0, 100).
        voxels: Of the whole scan.
    """
    brightness = sampled(np.sort(values, axis=None)[::-1]).astype(np.float64) - zero
    mean, patient = _patient(brightness)
    first = min(int((1 - percentile / 100) * PATIENTS * patient), brightness.size - 1)
    below = np.maximum(brightness[first:], FLOOR * mean)
    bad = BAD_FRACTION * min(voxels, GRID_PARTS * values.size) * brightness.size / values.size
    with np.errstate(over="ignore"):
        return zero + float((below * np.exp(BRIGHT_TOLERANCE / bad * np.arange(below.size))).min())


def _patient(brightness: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean brightness, each voxel weighted by its square, and how many voxels are about as bright."""
    capped = np.clip(brightness, 0, max(0, brightness[int(PEAK * brightness.size)]))
    squares = capped * capped
    total, cubes = float(squares.sum()), squares * capped
    if total == 0:
        return 0.0, 0.0
    mean = float(cubes.sum()) / total
    return mean, float(np.minimum(cubes / mean**3, 1).sum())
