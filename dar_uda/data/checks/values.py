"""What is doubtful in a scan's values, seen without what lies outside the patient."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.checks.finding import FAR_VALUES, FILLED, NOT_IN_HU, SATURATED, Kind
from dar_uda.data.fill import Fill
from dar_uda.data.values import BAD_FRACTION, BEYOND, intensity_range, picked, sampled

SMALL_PART = 0.1
"""Of a window's width: a scan whose values span less is hardly in the window's unit."""
FILL_APART = 0.1
"""Of the range: a fill so far from the dark level is not air."""
CUT_OFF = 0.02
"""Of the voxels: as many at the very maximum were cut off there."""
AIR = -1000.0
AIR_TOLERANCE = 250.0
SOFT_TISSUE, BONE = 80.0, 1500.0
"""A tight crop has its median and its highest value up to these."""
AIR_FRACTION = 0.1
AIR_SPREAD = 0.1
"""Of the distance between air and tissue: the half of the air that lies about its middle spans less."""
BELOW_AIR = 0.25
"""Of that distance: no values lie so far below air."""
LUNG_APART = 700.0
DARKER_THAN_TISSUE = 10.0


def doubts_of_values(array: NDArray, fill: Fill, window: Sequence[float] | None) -> Iterator[tuple[Kind, str]]:
    """Yield what is doubtful in the values of a scan that has several.

    Args:
        array: Finite values.
        fill: What `find_fill` says of them.
        window: (low, high) that becomes 0 to 1; None where a percentile does.
    """
    rest = np.sort(picked(array, ~fill.mask)).astype(np.float32)
    dark, top = intensity_range(rest, array.size)
    for value, voxels in fill.values.items():
        expected = value <= window[0] if window is not None else abs(value - dark) <= FILL_APART * (top - dark)
        if not expected:
            yield FILLED, f"{value:g} in {voxels / array.size:.1%} of the voxels, the others from {dark:g} to {top:g}"
    beyond = rest[(rest < dark - BEYOND * (top - dark)) | (rest > top + BEYOND * (top - dark))]
    if beyond.size and top > dark:
        text = f"{beyond.size} voxels from {beyond.min():g} to {beyond.max():g}, the others from {dark:g} to {top:g}"
        yield FAR_VALUES, text
    at_most = float((rest == rest[-1]).mean())
    if window is None and at_most > CUT_OFF and np.unique(sampled(rest)).size > 2:
        yield SATURATED, f"{at_most:.1%} of the voxels are {rest[-1]:g}"
    if window is not None and (text := why_not_in_hu(sampled(rest), window)):
        yield NOT_IN_HU, text


def why_not_in_hu(values: NDArray[np.float32], window: Sequence[float]) -> str:
    """Return why sorted values are hardly in the unit of a window that is in HU; "" where they may be.

    A window that begins below 0 expects values below 0, unless a tight crop shows soft tissue alone; and air, where it
    is seen, near -1000.
    """
    tail = int(BAD_FRACTION * values.size)
    low, high = float(values[tail]), float(values[-1 - tail])
    soft_tissue = np.median(values) <= SOFT_TISSUE and high <= BONE
    if high - low < SMALL_PART * (window[1] - window[0]) or (low >= 0 > window[0] and not soft_tissue):
        return f"values from {low:g} to {high:g}, window {list(window)}"
    air = air_of(values)
    if window[0] < 0 and air is not None and abs(air - AIR) > AIR_TOLERANCE:
        return f"air seems to be at {air:g}, expected about {AIR:g}; window {list(window)}"
    return ""


def air_of(values: NDArray[np.float32]) -> float | None:
    """Return where sorted values have air; None where they have none.

    It is the darker of two classes, if that is narrow, darker than tissue in HU, and hardly any value is below (soft
    tissue beside bone is as narrow); or its lower end, where the
    classes are as far apart as soft tissue is from air and lungs. The classes are those of Ridler and Calvard (1978):
    the threshold is halfway between their means.
    """
    inner = values[int(0.005 * values.size) : int(0.995 * values.size)].astype(np.float64)
    sums, threshold = np.cumsum(inner), inner.mean() if inner.size else 0.0
    for _ in range(50):
        below = int(np.searchsorted(inner, threshold, side="right"))
        if not 0 < below < inner.size:
            return None
        darker, brighter = sums[below - 1] / below, (sums[-1] - sums[below - 1]) / (inner.size - below)
        threshold = (darker + brighter) / 2
    if below < AIR_FRACTION * inner.size:
        return None
    lowest, first, air, third = np.quantile(inner[:below], [0.1, 0.25, 0.5, 0.75])
    apart = np.median(inner[below:]) - air
    if apart >= LUNG_APART:
        return float(lowest)
    narrow = third - first <= AIR_SPREAD * apart and values[int(BAD_FRACTION * values.size)] >= air - BELOW_AIR * apart
    return float(air) if narrow and air < DARKER_THAN_TISSUE else None
