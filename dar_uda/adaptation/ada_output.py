"""Adaptation of the output space: AdaOutput (AdaptSegNet; Tsai et al., CVPR 2018)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.previews import middle_slices
from dar_uda.segmentation.train import OPTIMIZATION, SAMPLING, SegmenterTrainer
from dar_uda.training.device import autocast
from dar_uda.training.job import Job
from dar_uda.training.optimizer import differentiate
from dar_uda.training.prefetch import Batch
from dar_uda.training.randomness import generator_for

BETAS = (0.9, 0.99)
POWER = 0.9
SLOPE = 0.2
CHANNELS = (64, 128, 256, 512)
ADVERSARY = ("adversarial_weights", "auxiliary_weight", "discriminator_learning_rate")


class OutputDiscriminator(nn.Sequential):
    """Judge from which domain class probabilities come: five strided convolutions.

    Shape:
        (N, classes, H, W) to (N, 1, H / 32, W / 32); sides of at least 32.
    """

    def __init__(self, classes: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in zip((classes, *CHANNELS), CHANNELS, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE, inplace=True)]
        super().__init__(*layers, nn.Conv2d(CHANNELS[-1], 1, 4, stride=2, padding=1))


class AdaOutputTrainer(SegmenterTrainer):
    """One update = one step of the segmenter on both domains, then one of each output's discriminator.

    The first output counts in full, with `adversarial_weights[0]`; a second one (multi-level) counts `auxiliary_weight`
    in the source's loss, with `adversarial_weights[1]`.

    Args:
        target: Patches of the target, without labels.
        adversarial_weights: Of the loss that has target outputs taken for source ones, per output.
        discriminator_learning_rate: Learning rate at the first step; falls with the power 0.9 of what is left.
    """

    def __init__(
        self,
        *args: Any,
        target: PatchSampler,
        classes: int,
        adversarial_weights: Sequence[float],
        auxiliary_weight: float,
        discriminator_learning_rate: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.target, self.adversarial_weights = target, adversarial_weights
        self.source_weights = (1.0, auxiliary_weight)
        levels = 2 if self.network.arguments["multilevel"] else 1
        self.discriminators = nn.ModuleList(OutputDiscriminator(classes) for _ in range(levels)).to(self.device)
        self.discriminator_learning_rate = discriminator_learning_rate
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminators.parameters(), discriminator_learning_rate, BETAS
        )

    def update(self, step: int) -> dict[str, Tensor]:
        return self._descend(step)

    def _gradients(self, images: Tensor, labels: Tensor, unlabeled: Tensor) -> Iterator[dict[str, Tensor]]:
        """Make the gradient of the segmenter, then that of the discriminators."""
        self.discriminators.requires_grad_(False)
        outputs = self._outputs(images)
        losses = [segmentation_loss(scores, labels, self.focal_weight) for scores in outputs]
        of_target = [_probabilities(scores) for scores in self._outputs(unlabeled)]
        adversarial = [self._discriminator_loss(k, p, real=True) for k, p in enumerate(of_target)]
        loss = _weighted(self.source_weights, losses)
        differentiate(self.optimizer, loss + _weighted(self.adversarial_weights, adversarial))
        named = {"loss": loss.detach(), "main_output": losses[0].detach(), "adversarial": adversarial[0].detach()}
        yield named | middle_slices(images, labels, outputs[0])
        self.discriminators.requires_grad_(True)
        discriminator_losses = [
            (
                self._discriminator_loss(k, source.detach(), real=True)
                + self._discriminator_loss(k, target.detach(), real=False)
            )
            / 2
            for k, (source, target) in enumerate(zip(map(_probabilities, outputs), of_target, strict=True))
        ]
        differentiate(self.discriminator_optimizer, sum(discriminator_losses))
        yield {"discriminators": sum(discriminator_losses).detach()}

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer, self.discriminator_optimizer]

    def _draw(self, step: int) -> Batch:
        """Return images and labels of the source, and images of the target."""
        unlabeled, _ = self.target.draw(generator_for(self.seed, "target", step), self.device)
        return *super()._draw(step), unlabeled

    def _set_rate(self, step: int) -> None:
        super()._set_rate(step)
        self.discriminator_optimizer.param_groups[0]["lr"] = (
            self.discriminator_learning_rate * (1 - step / self.steps) ** POWER
        )

    def _discriminator_loss(self, level: int, probabilities: Tensor, *, real: bool) -> Tensor:
        """Return the cross-entropy of taking probabilities for those of the source (`real`) or the target."""
        with autocast(self.device, self.dtype):
            scores = self.discriminators[level](probabilities).float()
        return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))

    def _parts(self) -> dict[str, Any]:
        return {
            **super()._parts(),
            "discriminators": self.discriminators,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


def _probabilities(scores: Tensor) -> Tensor:
    """Return the softmax of scores (N, K, D, H, W) as a batch of slices (N D, K, H, W)."""
    return F.softmax(scores.float(), dim=1).transpose(1, 2).flatten(0, 1)


def _weighted(weights: Sequence[float], losses: Sequence[Tensor]) -> Tensor:
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=False))


def train_ada_output(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    target_images: Sequence[str | Path],
    weights: str | Path,
    history: str | Path,
    job: Job,
    classes: int,
    network: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    ada_output: Mapping[str, Any],
) -> None:
    """Train a 2D segmenter on the labeled source whose outputs on the target look like those on the source.

    Args:
        images: Labeled volumes of the source.
        labels: The label volume of each.
        target_images: Training volumes of the target; their labels are not read.
        weights: Output, safetensors: the network.
        history: Output, TSV: one row per step, one column per loss.
        network: Architecture and switches, see `make_segmenter`.
        segmentation: The configuration's branch of this name, but for steps.
        ada_output: The configuration's branch of this name, see `AdaOutputTrainer`.
    """
    torch.manual_seed(job.seed)
    segmenter = make_segmenter(classes, segmentation["channels"], **network)
    # Patches around structures would tell the discriminator the source from the target, whatever the outputs.
    sampling = {**{key: segmentation[key] for key in SAMPLING}, "foreground_fraction": 0}
    sampler, target = PatchSampler(images, labels, **sampling), PatchSampler(target_images, None, **sampling)
    steps, settings = ada_output["steps"], {key: segmentation[key] for key in OPTIMIZATION}
    settings |= {key: ada_output[key] for key in ADVERSARY}
    trainer = AdaOutputTrainer(segmenter, sampler, job, steps, target=target, classes=classes, **settings)
    files = [*images, *labels, *target_images]
    choices = {"classes": classes, "network": network, "ada_output": ada_output}
    with job.training("train_ada_output", trainer, steps, segmentation, history, files, trainer.picture, **choices):
        trainer.kept.save(weights)
