"""Probabilities that follow the edges of the image: the guided filter, slice by slice."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import LEVELS

EPSILON = 1.0e-3
"""Variance of the intensities in a window, of an image in [0, 1], below which the window counts as flat."""


def follow_edges(slabs: Iterable[Tensor], image: NDArray[np.uint16], radius: int) -> Iterator[Tensor]:
    """Yield slabs of probabilities (classes, slices, H, W), filtered by the image that they are of.

    The filter may leave [0, 1]: what lies below is 0, and the others are scaled to sum to 1.

    Args:
        slabs: One after another along the depth, as `predict_slabs` gives them.
        image: (D, H, W) as stored.
        radius: See `guided_filter`.
    """
    first = 0
    for slab in slabs:
        here = image[first : first + slab.shape[1]]
        guide = torch.from_numpy(here.astype(np.float32)).to(slab.device) / LEVELS
        filtered = guided_filter(slab, guide, radius).clamp_(min=0)
        yield filtered.div_(filtered.sum(dim=0))
        first += slab.shape[1]


def guided_filter(values: Tensor, guide: Tensor, radius: int) -> Tensor:
    """Return values that in every window are a linear function of the guide, the one that fits them best.

    Every pixel gets the mean over the windows that it lies in (He, Sun and Tang, "Guided image filtering", TPAMI 2013,
    equations 5, 6 and 8). Values that sum to 1 go on doing so.

    Args:
        values: (classes, D, H, W).
        guide: (D, H, W), in [0, 1].
        radius: Windows have `2 radius + 1` pixels a side; those at a border are as large as the image is there.
    """
    guide, values = guide[:, None], values.movedim(0, 1)
    mean, mean_values = _window_mean(guide, radius), _window_mean(values, radius)
    variance = _window_mean(guide.square(), radius) - mean.square()
    slope = (_window_mean(guide * values, radius) - mean * mean_values) / (variance + EPSILON)
    offset = mean_values - slope * mean
    return (_window_mean(slope, radius) * guide + _window_mean(offset, radius)).movedim(1, 0)


def _window_mean(x: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    rows = F.avg_pool2d(x, (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, radius), count_include_pad=False)
