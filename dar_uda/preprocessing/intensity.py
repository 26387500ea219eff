"""Intensities to [0, 1]."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def to_unit_range(
    array: NDArray, window: Sequence[float] | None = None, percentile: float | None = None
) -> NDArray[np.float32]:
    """Return the values mapped to [0, 1], by a window or by a percentile (exactly one is given).

    Args:
        array: Values of any real type.
        window: (low, high): low and below become 0, high and above 1 (CT, in HU).
        percentile: In (0, 100]: the minimum becomes 0; this percentile of the voxels above it, and beyond, 1.

    Raises:
        ValueError: Both or none are given, the window is empty, or the values leave nothing to scale.
    """
    if (window is None) == (percentile is None):
        raise ValueError(f"Intensity: found window {window} and percentile {percentile}, expected exactly one")
    least, most = float(array.min()), float(array.max())
    if not np.isfinite([least, most]).all():
        raise ValueError(f"Values from {least} to {most}: found NaN or infinite voxels, expected finite ones")
    if window is not None:
        low, high = (float(edge) for edge in window)
        if low >= high:
            raise ValueError(f"Window {list(window)} is empty: expected [low, high] with low < high")
    else:
        if not 0 < percentile <= 100:
            raise ValueError(f"Percentile {percentile}: expected a number above 0 and up to 100")
        low, high = least, _percentile_above_minimum(array, least, percentile)
    if least == most or most <= low or least >= high:
        raise ValueError(f"Values from {least} to {most} leave nothing between {low} and {high}: an empty image")
    scaled = array.astype(np.float32)
    scaled -= np.float32(low)
    scaled /= np.float32(high - low)
    return np.clip(scaled, 0, 1, out=scaled)


def background(array: NDArray, window: Sequence[float] | None = None) -> float:
    """Return what beyond the scan becomes 0: the lower edge of the window, or the minimum; see `to_unit_range`."""
    return float(array.min()) if window is None else float(window[0])


def _percentile_above_minimum(array: NDArray, least: float, percentile: float) -> float:
    """Return the percentile of the voxels brighter than the minimum; the minimum where there are none."""
    values = array.ravel(order="K")  # as they lie in memory: a mask picks values out of NIfTI's order 15 times slower
    brighter = values[values > least]
    return float(np.percentile(brighter, percentile, overwrite_input=True)) if brighter.size else least
