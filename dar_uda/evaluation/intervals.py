"""How far a mean over cases and seeds may be from the mean over all such cases and seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtrit

from dar_uda.evaluation.means import finite_mean

CONFIDENCE = 0.95
FEWEST_CASES = 5
"""With fewer cases, no interval of a mean of Dice keeps what it promises (docs/intervals.md)."""
T, T_CASES_ONLY, RANGE = "95% t", "95% t, cases only", "range"


class Interval(NamedTuple):
    """Low and high end, NaN where there is none, and the kind: `T`, `T_CASES_ONLY`, `RANGE` or empty."""

    low: float
    high: float
    kind: str


NONE = Interval(np.nan, np.nan, "")


@dataclass(frozen=True)
class Scale:
    """A scale on which means are closer to a normal distribution, the way back, and its derivative at a mean."""

    to: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


PLAIN = Scale(float, float, np.ones_like)
LOG = Scale(np.log, np.exp, lambda mean: 1 / mean)
"""For distances: positive, with a tail to the right."""
LOGIT = Scale(logit, expit, lambda mean: 1 / (mean * (1 - mean)))
"""For Dice: from 0 to 1, with a tail to the left."""


def mean_interval(values: NDArray[np.float64], scale: Scale) -> Interval:
    """Return the interval of the mean over cases, each first averaged over the seeds that have a value.

    From `FEWEST_CASES` cases on it is mean ± t * standard error, on `scale` by the delta method. With several seeds
    it holds for other cases and other trainings (`T`), with one seed for other cases and this training
    (`T_CASES_ONLY`). With fewer cases, values too few to tell seeds from chance, or no spread at all, it is the range
    from the lowest to the highest case (`RANGE`); with one case there is none.

    Args:
        values: Shape (seeds, cases); NaN where a case has no value under a seed.
    """
    known = np.isfinite(values)
    values = values[known.any(axis=1)][:, known.any(axis=0)]
    cases = finite_mean(values, axis=0)
    if len(cases) < 2:
        return NONE
    error, degrees = standard_error(values) if len(cases) >= FEWEST_CASES else (np.nan, np.nan)
    if np.isnan(error) or np.isclose(error, 0):
        return Interval(float(cases.min()), float(cases.max()), RANGE)
    mean, kind = float(cases.mean()), T if len(values) > 1 else T_CASES_ONLY
    half = stdtrit(degrees, (1 + CONFIDENCE) / 2) * error * scale.slope(mean)
    return Interval(float(scale.back(scale.to(mean) - half)), float(scale.back(scale.to(mean) + half)), kind)


def standard_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the standard error of the mean and its degrees of freedom (Satterthwaite's); NaN where they are unknown.

    Cases and seeds are crossed random effects: value = mean + case + seed + rest. The variance of the mean is
    (MS of cases + MS of seeds - MS of rest) / (cases * seeds), MS being the mean squares of the two-way analysis of
    variance.
    Where that estimates a negative variance between seeds, seeds count as equal: the cases alone give the error. The
    degrees are at least those of the smaller factor, which the subtraction could take them below.
    Missing values are filled by the additive model and take one degree of freedom each from the rest (Yates 1933).

    Args:
        values: Shape (seeds, cases), at least two cases; NaN where missing; every seed and every case has a value.
    """
    seeds, cases = values.shape
    if seeds == 1:
        return float(np.sqrt(values[0].var(ddof=1) / cases)), cases - 1
    fitted, degrees = _additive_fit(values)
    if degrees < 1:
        return np.nan, np.nan
    filled = np.where(np.isfinite(values), values, fitted)
    of_cases = filled.mean(axis=0).var(ddof=1) / cases
    of_seeds = filled.mean(axis=1).var(ddof=1) / seeds
    rest = ((filled - fitted) ** 2).sum() / degrees / values.size
    if of_seeds <= rest:
        return float(np.sqrt(of_cases)), cases - 1
    variance = of_cases + of_seeds - rest
    uncertainty = of_cases**2 / (cases - 1) + of_seeds**2 / (seeds - 1) + rest**2 / degrees
    return float(np.sqrt(variance)), float(max(variance**2 / uncertainty, min(cases, seeds) - 1))


def _additive_fit(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return the least-squares fit case + seed at every (seed, case), and the degrees of freedom that it leaves."""
    known = np.isfinite(values)
    if known.all():
        seeds, cases = values.mean(axis=1, keepdims=True), values.mean(axis=0)
        return cases + seeds - values.mean(), (len(seeds) - 1) * (len(cases) - 1)
    centered = np.where(known, values - finite_mean(values, axis=0), 0)
    equations = np.diag(known.sum(axis=1)) - (known / known.sum(axis=0)) @ known.T
    seeds = np.linalg.pinv(equations, hermitian=True) @ centered.sum(axis=1)
    cases = finite_mean(values - seeds[:, None], axis=0)
    degrees = known.sum() - known.shape[1] - np.linalg.matrix_rank(equations, hermitian=True)
    return cases + seeds[:, None], int(degrees)
