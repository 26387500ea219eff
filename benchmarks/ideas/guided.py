"""Probabilities that follow the edges of the scan: the guided filter (He et al., TPAMI 2013), slice by slice."""

import torch.nn.functional as F
from torch import Tensor

EPSILON = 1.0e-3
"""Variance of a window, of intensities in [0, 1], that still counts as flat."""


def guided(probabilities: Tensor, image: Tensor, radius: int) -> Tensor:
    """Return the probabilities, in every window of `2 radius + 1` pixels a linear function of the image.

    Args:
        probabilities: (classes, D, H, W).
        image: (D, H, W) in [0, 1].
    """
    guide, values = image[:, None], probabilities.movedim(0, 1)

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2 * radius + 1, 1, radius, count_include_pad=False)

    middle = mean(guide)
    variance = mean(guide * guide) - middle * middle
    slope = (mean(guide * values) - middle * mean(values)) / (variance + EPSILON)
    offset = mean(values) - slope * middle
    return (mean(slope) * guide + mean(offset)).movedim(1, 0)
