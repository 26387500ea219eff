"""CyCADA's last stage (Hoffman et al., ICML 2018): scores of the target that pass for those of the source."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dar_uda.adaptation.labeled_slices import LabeledSliceSampler, open_slices
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.networks import Segmenter, load_segmenter
from dar_uda.training.device import autocast
from dar_uda.training.job import Job
from dar_uda.training.loop import TrainerOfParts
from dar_uda.training.optimizer import descend
from dar_uda.training.prefetch import Batch, Prefetcher
from dar_uda.training.randomness import generator_for

logger = logging.getLogger(__name__)
WIDTHS = (512, 256)
DROPOUT = 0.5
MOMENTUM, WEIGHT_DECAY = 0.99, 5e-4
LEAST_ACCURACY, STEPS_OF_ACCURACY = 0.6, 100
SETTINGS = ("learning_rate", "adversarial_weight")
TARGET, SOURCE = 0, 1


class ScoreDiscriminator(nn.Sequential):
    """Tell pixel by pixel from which domain the scores of a segmenter come.

    Shape:
        (N, classes, H, W) to scores of target and source (N, 2, H, W).
    """

    def __init__(self, classes: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in zip((classes, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 1), nn.Dropout2d(DROPOUT), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Conv2d(WIDTHS[-1], 2, 1))


class CyCADAStage(TrainerOfParts):
    """One update = one step of the discriminator; where it is right often enough, two of the segmenter.

    The first of these has the target's scores taken for the source's, the second lowers the segmenter's loss on the
    translated source. They are left out while the discriminator was right for 60 % of the pixels or fewer, in the mean
    of its last 100 steps.

    Args:
        network: A 2D segmenter trained on the translated source.
        source: Labeled slices of the translated source.
        target: Slices of the target.
        learning_rate: Of both networks.
        adversarial_weight: Of having the target's scores taken for the source's.
    """

    def __init__(
        self,
        network: Segmenter,
        source: LabeledSliceSampler,
        target: LabeledSliceSampler,
        job: Job,
        focal_weight: float,
        learning_rate: float,
        adversarial_weight: float,
    ) -> None:
        self.network, self.source, self.target, self.seed = network.train(), source, target, job.seed
        self.device, self.dtype, self.focal_weight = job.device, job.dtype, focal_weight
        self.adversarial_weight = adversarial_weight
        torch.manual_seed(job.seed)
        self.discriminator = ScoreDiscriminator(network.arguments["classes"]).to(job.device)
        self.optimizer, self.discriminator_optimizer = (
            torch.optim.SGD(part.parameters(), learning_rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
            for part in (self.network, self.discriminator)
        )
        self.gate = Gate()
        self.batches = Prefetcher(self._draw, job.device)

    def update(self, step: int) -> dict[str, Tensor]:
        torch.manual_seed(int(generator_for(self.seed, "dropout", step).integers(2**62)))
        images, labels, unlabeled = self.batches.get(step)
        loss, accuracy = self._descend_discriminator(images, unlabeled)
        losses = {"discriminator": loss, "accuracy": accuracy}
        if self.gate.is_open_after(float(accuracy)):
            adversarial, segmentation = self._descend_segmenter(images, labels, unlabeled)
            losses |= {"adversarial": adversarial, "segmentation": segmentation}
        return {name: value.detach() for name, value in losses.items()}

    def _descend_discriminator(self, images: Tensor, unlabeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and for which fraction of the pixels the discriminator was right before the step."""
        with torch.no_grad():
            scores = {SOURCE: self._scores(images), TARGET: self._scores(unlabeled)}
        domains = {domain: self._domain(x) for domain, x in scores.items()}
        loss = sum(_cross_entropy(x, domain) for domain, x in domains.items()) / 2
        descend(self.discriminator_optimizer, loss)
        right = [(x.argmax(1) == domain).float().mean() for domain, x in domains.items()]
        return loss, sum(right) / 2

    def _descend_segmenter(self, images: Tensor, labels: Tensor, unlabeled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the adversarial loss and that of the segmenter."""
        self.discriminator.requires_grad_(False)
        adversarial = _cross_entropy(self._domain(self._scores(unlabeled)), SOURCE)
        descend(self.optimizer, self.adversarial_weight * adversarial)
        self.discriminator.requires_grad_(True)
        loss = segmentation_loss(self._scores(images)[:, :, None], labels[:, None], self.focal_weight)
        descend(self.optimizer, loss)
        return adversarial, loss

    def _scores(self, images: Tensor) -> Tensor:
        """Return the scores (N, classes, H, W) of images (N, 1, H, W)."""
        with autocast(self.device, self.dtype):
            return self.network(images[:, :, None])[:, :, 0]

    def _domain(self, scores: Tensor) -> Tensor:
        """Return the scores of target and source (N, 2, H, W) of a segmenter's scores."""
        with autocast(self.device, self.dtype):
            return self.discriminator(scores).float()

    def _draw(self, step: int) -> Batch:
        """Return images and class indices of the translated source, and images of the target."""
        unlabeled, _ = self.target.draw(generator_for(self.seed, "target", step), self.device)
        return *self.source.draw(generator_for(self.seed, "source", step), self.device), unlabeled

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "optimizer": self.optimizer,
            "discriminator": self.discriminator,
            "discriminator_optimizer": self.discriminator_optimizer,
            "gate": self.gate,
        }


class Gate:
    """Whether the discriminator is right often enough for its gradient to say anything."""

    def __init__(self) -> None:
        self.accuracies: list[float] = []
        self.openings = 0

    def is_open_after(self, accuracy: float) -> bool:
        """Take the fraction of pixels for which a step's discriminator was right; return whether the mean suffices."""
        self.accuracies = [*self.accuracies, accuracy][-STEPS_OF_ACCURACY:]
        is_open = sum(self.accuracies) / len(self.accuracies) > LEAST_ACCURACY
        self.openings += is_open
        return is_open

    def state_dict(self) -> dict[str, Any]:
        return {"accuracies": self.accuracies, "openings": self.openings}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.accuracies, self.openings = list(state["accuracies"]), state["openings"]


def _cross_entropy(scores: Tensor, domain: int) -> Tensor:
    return F.cross_entropy(scores, torch.full((len(scores), *scores.shape[2:]), domain, device=scores.device))


def train_cycada(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    target_images: Sequence[str | Path],
    initial: str | Path,
    weights: str | Path,
    history: str | Path,
    job: Job,
    segmentation: Mapping[str, Any],
    cycada: Mapping[str, Any],
) -> None:
    """Go on from a 2D segmenter of the translated source until its scores of both domains look alike.

    Args:
        images: Volumes of the source, translated by `train_cycada_translator`.
        labels: The label volume of each.
        target_images: Training volumes of the target; their labels are not read.
        initial: Weights of the segmenter trained on `images`.
        weights: Output, safetensors: the segmenter.
        history: Output, TSV: one row per step; losses of the segmenter where it moved.
        segmentation: The configuration's branch of this name.
        cycada: The configuration's branch of this name.
    """
    samplers = open_slices(images, labels, target_images, segmentation, cycada["batch_size"])
    network, settings = load_segmenter(initial, job.device), {key: cycada[key] for key in SETTINGS}
    trainer = CyCADAStage(network, *samplers, job, segmentation["focal_weight"], **settings)
    steps, files = cycada["steps"], [*images, *labels, *target_images, initial]
    with job.training("train_cycada", trainer, steps, segmentation, history, files, cycada=cycada):
        logger.info("train_cycada: the segmenter moved in %d of %d steps", trainer.gate.openings, steps)
        trainer.network.save(weights)
