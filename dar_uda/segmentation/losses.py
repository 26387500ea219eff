"""Losses of the segmenter: pure functions, scores and class indices in, a scalar out."""

import torch.nn.functional as F
from torch import Tensor

SMOOTH = 1e-5
GAMMA = 2.0


def soft_dice_loss(probabilities: Tensor, one_hot: Tensor) -> Tensor:
    """Return 1 - mean over classes of the soft Dice, sums taken over batch and voxels, denominators squared.

    Args:
        probabilities: (N, classes, D, H, W).
        one_hot: The same shape.
    """
    axes = (0, 2, 3, 4)
    intersection = (probabilities * one_hot).sum(axes)
    size = probabilities.square().sum(axes) + one_hot.square().sum(axes)
    return 1 - ((2 * intersection + SMOOTH) / (size + SMOOTH)).mean()


def focal_loss(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the focal loss with gamma 2, averaged over voxels, classes and batch.

    Args:
        log_probabilities: (N, classes, D, H, W).
        labels: Class indices (N, D, H, W).
    """
    log_true = log_probabilities.gather(1, labels[:, None])
    return -((1 - log_true.exp()).pow(GAMMA) * log_true).mean() / log_probabilities.shape[1]


def segmentation_loss(scores: Tensor, labels: Tensor, focal_weight: float) -> Tensor:
    """Return soft Dice plus `focal_weight` times focal loss of one output.

    Args:
        scores: Before softmax, (N, classes, D, H, W).
        labels: Class indices (N, D, H, W).
    """
    log_probabilities = F.log_softmax(scores, dim=1)
    one_hot = F.one_hot(labels, scores.shape[1]).movedim(-1, 1).to(scores.dtype)
    return soft_dice_loss(log_probabilities.exp(), one_hot) + focal_weight * focal_loss(log_probabilities, labels)
