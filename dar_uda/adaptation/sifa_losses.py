"""SIFA's losses of a segmentation (Chen et al., IEEE TMI 2020)."""

import torch
from torch import Tensor

LEAST_PROBABILITY = 5e-3
EPSILON = 1e-7


def sifa_segmentation_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return weighted cross-entropy plus soft Dice of one output, in float32 at least.

    With p the softmax of the scores, w = 1 - the share of the batch's pixels that a class has:

    - cross-entropy: the mean over pixels of -w log p of their class, p at least 0.005, below which it has no gradient;
    - Dice: 1 - mean over all classes of 2 I / (P + T), with I the sum of p over the pixels of the class, P that of its
      squares over all pixels of the batch, T the number of the class's pixels.

    Args:
        scores: Before softmax, (N, classes, H, W).
        labels: Class indices (N, H, W).
    """
    probabilities = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(dim=1)
    true = torch.zeros_like(probabilities).scatter_(1, labels[:, None], 1)
    weights = 1 - true.mean((0, 2, 3))
    clipped = probabilities.clamp(LEAST_PROBABILITY, 1)
    cross_entropy = -(weights[:, None, None] * true * clipped.log()).sum(1).mean()
    overlap = (probabilities * true).sum((0, 2, 3))
    sizes = probabilities.square().sum((0, 2, 3)) + true.sum((0, 2, 3))
    return cross_entropy + 1 - (2 * overlap / (sizes + EPSILON)).mean()
