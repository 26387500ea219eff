"""Which part of the gap between a floor and a ceiling a method closes, and how sure that is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dar_uda.evaluation.intervals import PLAIN, RANGE, mean_interval
from dar_uda.evaluation.means import finite_mean

SMALLEST = 0.1
"""Dice from floor to ceiling below which the part of it is not worth a number."""


class Gap(NamedTuple):
    """The part that is closed, 1 = all of it, and the ends of its 95 % interval; NaN where there is none."""

    closed: float
    low: float
    high: float


NONE = Gap(np.nan, np.nan, np.nan)


def gap_closed(method: NDArray[np.float64], floor: NDArray[np.float64], ceiling: NDArray[np.float64]) -> Gap:
    """Return (method - floor) / (ceiling - floor) of the means over cases and seeds.

    There is one only where ceiling - floor is above `SMALLEST` and its interval (with few cases: its range over the
    cases) lies above 0. The interval is by the delta method: the ratio g of two means over the same cases and seeds
    has the error of the mean of (method - floor - g * (ceiling - floor)) / mean(ceiling - floor), so that what the
    three rows share, such as a case that is hard for all, cancels. With few cases there is no interval.

    Args:
        method, floor, ceiling: Dice of shape (seeds, cases), of the same seeds and cases in the same order; NaN
            where the reference lacks the structure.
    """
    gain, gap = method - floor, ceiling - floor
    width = finite_mean(gap.ravel(), axis=0)
    if not width > SMALLEST or not mean_interval(gap, PLAIN).low > 0:
        return NONE
    closed = finite_mean(gain.ravel(), axis=0) / width
    low, high, kind = mean_interval(closed + (gain - closed * gap) / width, PLAIN)
    return Gap(float(closed), *((np.nan, np.nan) if kind == RANGE else (low, high)))
