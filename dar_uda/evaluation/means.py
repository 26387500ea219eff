"""Means of what has a value."""

import numpy as np
from numpy.typing import NDArray


def finite_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the mean of what is not NaN along an axis; NaN where nothing is."""
    counts = np.isfinite(values).sum(axis=axis)
    return np.divide(np.nansum(values, axis=axis), counts, out=np.full(counts.shape, np.nan), where=counts > 0)
