"""Intensities to [0, 1]."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.fill import find_fill
from dar_uda.data.values import BEYOND, intensity_range, picked
from dar_uda.preprocessing.levels import bright_level, zero_of


def to_unit_range(
    array: NDArray, window: Sequence[float] | None = None, percentile: float | None = None
) -> NDArray[np.float32]:
    """Return the values mapped to [0, 1], by a window or by a percentile; see `levels_of`."""
    return scaled(array, *levels_of(array, window, percentile))


def levels_of(
    array: NDArray, window: Sequence[float] | None = None, percentile: float | None = None
) -> tuple[float, float]:
    """Return which values become 0 and 1, by a window or by a percentile (exactly one is given).

    Args:
        array: Values of any real type.
        window: (low, high): low and below become 0, high and above 1 (CT, in HU).
        percentile: In (0, 100]: the minimum becomes 0; this percentile of the voxels above it, and beyond, 1.

    Raises:
        ValueError: Both or none are given, the window is empty, or the values leave nothing to scale.
    """
    if (window is None) == (percentile is None):
        raise ValueError(f"DAR-360: Intensity: found window {window} and percentile {percentile}, expected exactly one")
    least, most = float(array.min()), float(array.max())
    if not np.isfinite([least, most]).all():
        raise ValueError(f"DAR-157: Values from {least} to {most}: found NaN or infinite voxels, expected finite ones")
    if window is not None:
        low, high = (float(edge) for edge in window)
        if low >= high:
            raise ValueError(f"DAR-360: Window {list(window)} is empty: expected [low, high] with low < high")
    else:
        if not 0 < percentile <= 100:
            raise ValueError(f"DAR-360: Percentile {percentile}: expected a number above 0 and up to 100")
        low, high = least, _percentile_above_minimum(array, least, percentile)
    if least == most or most <= low or least >= high:
        raise ValueError(
            f"DAR-158: Values from {least} to {most} leave nothing between {low} and {high}: an empty image"
        )
    return low, high


def scaled(array: NDArray, low: float, high: float) -> NDArray[np.float32]:
    """Return the values mapped to [0, 1]: `low` and below become 0, `high` and above 1."""
    values = array.astype(np.float32)
    values -= np.float32(low)
    values /= np.float32(high - low)
    return np.clip(values, 0, 1, out=values)


def without_fill(
    array: NDArray, window: Sequence[float] | None = None, percentile: float | None = None
) -> tuple[NDArray[np.float32], float]:
    """Return a scan without what neither the patient nor air can be, and the level of air: what becomes 0.

    Constant fill takes the level of air, and values far beyond the rest their limit, so that neither is interpolated
    into its neighbors. With `percentile: 100` values stay as they are and the minimum becomes 0.

    Args:
        array: The scan, axes in any order.
        window, percentile: See `to_unit_range`.
    """
    values = array.astype(np.float32)
    least, most = float(values.min()), float(values.max())
    if percentile == 100 or least == most or not np.isfinite([least, most]).all():
        return values, least if window is None else float(window[0])
    filled = find_fill(values).mask
    dark, top = intensity_range(np.sort(picked(values, ~filled)), values.size)
    air = zero_of(dark, top) if window is None else float(window[0])
    low, high = window or (dark, top)
    beyond = BEYOND * (top - dark)
    np.clip(values, min(low, dark - beyond), max(high, top + beyond), out=values)
    values[filled] = air if window is None else min(dark, air)
    return values, air


def window_of(
    values: NDArray[np.float32],
    air: float,
    voxels: int,
    window: Sequence[float] | None = None,
    percentile: float | None = None,
) -> dict[str, Any]:
    """Return how `to_unit_range` maps the scan: the arguments that are given, or a window in place of a percentile.

    Args:
        values: What lies on the network grid of a scan `without_fill`.
        air: Its level.
        voxels: Of the whole scan.
        window, percentile: See `to_unit_range`.

    Raises:
        ValueError: The values leave nothing to scale.
    """
    if window is not None or percentile is None or not 0 < percentile < 100:
        return {"window": window, "percentile": percentile}
    level = bright_level(values, air, percentile, voxels)
    if level <= air:
        least, most = float(values.min()), float(values.max())
        raise ValueError(f"DAR-158: Values from {least} to {most} leave nothing above {air}: an empty image")
    return {"window": (air, level)}


def _percentile_above_minimum(array: NDArray, least: float, percentile: float) -> float:
    """Return the percentile of the voxels brighter than the minimum; the minimum where there are none."""
    values = array.ravel(order="K")  # as they lie in memory: a mask picks values out of NIfTI's order 15 times slower
    brighter = values[values > least]
    return float(np.percentile(brighter, percentile, overwrite_input=True)) if brighter.size else least
