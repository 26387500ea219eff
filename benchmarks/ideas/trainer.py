"""Training of a variant's segmenter."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.previews import middle_slices
from dar_uda.segmentation.train import SegmenterTrainer
from dar_uda.training.optimizer import differentiate

UNKNOWN = 255
"""The label of voxels that teach nothing."""
SURE = 20.0


class IdeaTrainer(SegmenterTrainer):
    """Weighs the losses of coarse outputs by powers of `deep`.

    Adds `consistency` times the KL divergence between the two looks of a batch's patches.
    """

    def __init__(self, *args: Any, consistency: float, deep: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.consistency, self.deep = consistency, deep

    def _gradients(self, images: Tensor, labels: Tensor) -> Iterator[dict[str, Tensor]]:
        known = labels != UNKNOWN
        outputs = [as_background(scores, known) for scores in self._outputs(images)]
        labels = labels * known
        losses = [segmentation_loss(scores, labels, self.focal_weight) for scores in outputs]
        loss = sum(self.deep**level * each for level, each in enumerate(losses))
        if self.consistency:
            loss = loss + self.consistency * divergence(outputs[0])
        differentiate(self.optimizer, loss)
        yield {"loss": loss.detach(), "main_output": losses[0].detach(), **middle_slices(images, labels, outputs[0])}


def as_background(scores: Tensor, known: Tensor) -> Tensor:
    """Return the scores, where the class is unknown those of sure background, without a gradient.

    Args:
        scores: Before softmax, (N, classes, D, H, W).
        known: (N, D, H, W).
    """
    is_background = torch.arange(scores.shape[1], device=scores.device) == 0
    return torch.where(known[:, None], scores, SURE * is_background[None, :, None, None, None])


def divergence(scores: Tensor) -> Tensor:
    """Return the mean KL divergence of both looks to their mean, nats per voxel.

    Args:
        scores: Before softmax, (2 N, classes, D, H, W); sample n and n + N are two looks of one patch.
    """
    first, second = F.log_softmax(scores.float(), dim=1).chunk(2)
    mean = ((first.exp() + second.exp()) / 2).clamp(min=1e-6).log()
    return sum((look.exp() * (look - mean)).sum(1).mean() for look in (first, second)) / 2
