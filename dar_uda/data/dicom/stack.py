"""Where the slices of a series lie: one even stack, as exactly as the text of their positions can say."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

EVEN = 0.01
"""Slice gaps may differ from their median by this share of it."""
EVEN_MM = 0.02
"""Or by this."""
STRAIGHT = 0.1
"""No slice may lie further from its place in the stack than this share of the slice spacing."""
EXACT = 1e-3
"""Share of the slice spacing below which it does not matter where a slice lies."""
HALF_UNIT = 1.02
"""Rounding moves a number by half a unit of its last digit; a number rounded twice by a little more."""
LISTED = 8


def rounding_of(texts: Sequence[str]) -> list[float]:
    """Return how far each number may be from what was meant, by the digits with which they all are written.

    Some programs keep a number of digits after the point, others a number of digits; both drop zeros at the end.
    """
    numbers = [Decimal(text) for text in texts]
    last = min(number.as_tuple().exponent for number in numbers)
    digits = max(len(number.as_tuple().digits) for number in numbers)
    return [float(Decimal("0.5").scaleb(max(last, number.adjusted() + 1 - digits))) for number in numbers]


def even_stack(
    folder: Path,
    names: Sequence[str],
    positions: NDArray[np.float64],
    rounding: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first slice's position and the step (mm, LPS) of the even stack that lies nearest to the positions.

    Args:
        folder: For messages, as `names`, those of the files.
        positions: Of the slices' first pixels, (slices, 3), in order along the normal.
        rounding: By how much each number may be off, (slices, 3), see `rounding_of`.
        normal: Of the slices, length 1.

    Raises:
        ValueError: Positions repeat, or leave gaps that rounding does not explain.
    """
    places = positions @ normal
    gaps = np.diff(places)
    blur = 2 * float((rounding @ np.abs(normal)).max())
    coarse = 2 * blur > gaps.mean() > 0  # a missing slice would move the others by less than they may be off
    too_coarse = (
        f"the positions, rounded to {blur:.3g} mm, are too coarse for slices so thin: export more digits of them"
    )
    _check_repeated(folder, names, places, f", or {too_coarse}" if coarse else "")
    spacing = float(np.median(gaps))
    allowed = np.maximum(rounding, EXACT * spacing)
    start, step = np.array([_line(*axis) for axis in zip(positions.T, allowed.T, strict=True)]).T
    off = np.abs(positions - start - np.arange(len(positions))[:, None] * step)
    steps = np.diff(positions, axis=0)
    unlike = np.linalg.norm(steps - np.median(steps, axis=0), axis=1)
    even = unlike.max() <= max(EVEN * spacing, EVEN_MM) and off.max() <= STRAIGHT * spacing
    rounded = (off <= HALF_UNIT * rounding).all()
    if even or (rounded and not coarse):
        return start, step
    k = int(np.argmax(np.abs(gaps - gaps.mean())))
    raise ValueError(
        f"DAR-153: {folder}: found a step of {gaps[k]:.4g} mm from {places[k]:.3f} to {places[k + 1]:.3f} along "
        f"the normal ({names[k]} to {names[k + 1]}), expected {spacing:.4g} mm as between the others, straight on: "
        f"a slice is missing or does not belong here{f', or {too_coarse}' if rounded else ''}"
    )


def _check_repeated(folder: Path, names: Sequence[str], places: NDArray[np.float64], otherwise: str) -> None:
    gaps = np.diff(places)
    repeated = np.flatnonzero(gaps <= min(EVEN_MM, 0.1 * gaps.max()))
    if len(repeated):
        at = [round(float(place), 3) for place in np.unique(places[1:][repeated])]
        more = ", ..." if len(at) > LISTED else ""
        raise ValueError(
            f"DAR-152: {folder}: several slices lie at the same position along the slice normal: "
            f"{', '.join(map(str, at[:LISTED]))}{more} mm, such as {names[repeated[0]]} and {names[repeated[0] + 1]}. "
            f"A folder is read as one series: give each series (phase, echo, time) a folder of its own{otherwise}"
        )


def _line(values: NDArray[np.float64], allowed: NDArray[np.float64]) -> tuple[float, float]:
    """Return start and step of the even row that fits best, or whose worst distance is least where one is too large."""
    index, unit = np.arange(len(values)), allowed.max()
    step, start = np.polyfit(index, values, 1)
    rest = values - start - step * index
    if (np.abs(rest) <= allowed).all():
        return start, step
    line, share = np.stack([np.ones(len(values)), index], axis=1), allowed[:, None] / unit
    limits = np.concatenate([rest, -rest]) / unit
    bounds = [(None, None), (None, None), (0, None)]
    fit = linprog([0, 0, 1], np.block([[line, -share], [-line, -share]]), limits, bounds=bounds)
    return start + unit * fit.x[0], step + unit * fit.x[1]
