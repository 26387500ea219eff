"""How far a mean Dice or ASD would move with other cases and other seeds."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
COVERAGE = 0.95
NONE = float("nan"), float("nan")


def bootstrap_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean over structures of the mean over cases.

    Args:
        values: Shape (seeds, cases, structures); NaN where a case does not count. Cases are drawn with replacement,
            with all their structures, and so are seeds, with all their cases; a case's value is its mean over the
            drawn seeds that have one. Draws that leave a structure without a case do not count.

    Returns:
        Low and high end; NaN for fewer than two cases. The same numbers on every call.
    """
    counts = np.isfinite(values)
    values = values[:, counts.any(axis=(0, 2))][:, :, counts.any(axis=(0, 1))]
    seeds, cases, _ = values.shape
    if cases < 2:
        return NONE
    rng = np.random.default_rng(0)
    of_cases = rng.multinomial(cases, np.full(cases, 1 / cases), size=RESAMPLES)
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES)
    case_means, held = _means(of_seeds, values)
    weights = of_cases[:, :, None] * held
    sums, total = (weights * case_means).sum(axis=1), weights.sum(axis=1)
    whole = (total > 0).all(axis=1)
    if not whole.any():
        return NONE
    means = (sums[whole] / total[whole]).mean(axis=1)
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def _means(draws: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return every case's mean over the drawn seeds, 0 where there is none, and whether there is one."""
    finite = np.isfinite(values)
    sums = np.tensordot(draws, np.where(finite, values, 0), axes=1)
    counts = np.tensordot(draws, finite, axes=1)
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0), counts > 0
