"""The loss of the segmenter: scores and class indices in, a scalar out."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.training import distributed

SMOOTH = 1e-5


def segmentation_loss(scores: Tensor, labels: Tensor, focal_weight: float) -> Tensor:
    """Return soft Dice plus `focal_weight` times focal loss of one output.

    With p the softmax of the scores and t its value at the voxel's class:

    - soft Dice: 1 - mean over classes of (2 I + s) / (P + T + s), with I the sum of p over the voxels of the class, P
      that of its squares over all voxels of the batch, T the number of the class's voxels, s 1e-5;
    - focal, gamma 2: -(1 - t)^2 log t, averaged over voxels, classes and batch.

    Computed in float32 at least. The gradient is made in the forward: one tensor as large as the scores is kept for
    the backward, in their precision, where the formulas one by one keep five. Where several ranks train, the loss is
    that of their joint batch, and the gradient that with respect to this rank's scores.

    Args:
        scores: Before softmax, (N, classes, D, H, W).
        labels: Class indices (N, D, H, W).
    """
    return _SegmentationLoss.apply(scores, labels, focal_weight)


class _SegmentationLoss(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, scores: Tensor, labels: Tensor, focal_weight: float) -> Tensor:
        dtype = torch.promote_types(scores.dtype, torch.float32)
        log_probabilities, here = F.log_softmax(scores, dim=1, dtype=dtype), labels[:, None]
        log_true = log_probabilities.gather(1, here)
        true, probabilities = log_true.exp(), log_probabilities.exp_()
        squared = probabilities.square()
        missing = 1 - true
        terms = [*_dice_terms(true, squared, here), -(missing.square() * log_true).sum()[None]]
        intersection, size, focal = distributed.summed(torch.cat(terms)).split([scores.shape[1], scores.shape[1], 1])
        numerator, denominator = 2 * intersection + SMOOTH, size + SMOOTH
        count = log_true.numel() * scores.shape[1] * distributed.count()
        focal = focal[0] / count

        # u = dL/dp * p, voxel by voxel and class by class; then dL/dscores = u - p * (sum of u over the classes).
        classes = scores.shape[1]
        per_class = (2 * numerator / denominator.square() / classes).view(1, classes, 1, 1, 1)
        at_true = -2 / classes / denominator[here] * true
        at_true -= focal_weight / count * missing * (missing - 2 * true * log_true)
        u = squared.mul_(per_class).scatter_add_(1, here, at_true)
        gradient = u.sub_(probabilities.mul_(u.sum(1, keepdim=True)))
        ctx.save_for_backward(gradient.to(scores.dtype))
        return 1 - (numerator / denominator).mean() + focal_weight * focal

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (of_scores,) = ctx.saved_tensors
        return of_scores * gradient.to(of_scores.dtype), None, None


def _dice_terms(true: Tensor, squared: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
    """Return the intersection and the sum of both sizes of every class, (classes,) each."""
    masks = [here == index for index in range(squared.shape[1])]
    intersection = torch.stack([(true * mask).sum() for mask in masks])
    size = squared.sum((0, 2, 3, 4)) + torch.stack([mask.sum() for mask in masks])
    return intersection, size
