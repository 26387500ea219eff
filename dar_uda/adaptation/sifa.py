"""SIFA (Chen et al., IEEE TMI 2020): images and features aligned in one training with a shared encoder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dar_uda.adaptation.image_pool import ImagePool
from dar_uda.adaptation.labeled_slices import LabeledSliceSampler, open_slices
from dar_uda.adaptation.sifa_losses import sifa_segmentation_loss
from dar_uda.adaptation.sifa_networks import SourceDecoder, TargetGenerator, make_discriminator
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.sifa_net import SIFANet
from dar_uda.training.device import autocast
from dar_uda.training.ema import MovingAverage
from dar_uda.training.job import Job
from dar_uda.training.loop import TrainerOfParts
from dar_uda.training.optimizer import descend
from dar_uda.training.prefetch import Batch, Prefetcher
from dar_uda.training.randomness import generator_for
from dar_uda.translation.losses import least_squares_gan_loss, paired_l1
from dar_uda.translation.previews import COLUMNS, save_gray

GAN_BETAS, SEGMENTER_BETAS = (0.5, 0.999), (0.9, 0.999)
WEIGHT_DECAY = 1e-4
CYCLE_WEIGHT = 10.0
SECOND_OUTPUT, DECODING, SCORES, SECOND_SCORES, AUXILIARY = 0.1, 0.1, 0.1, 0.01, 0.1
"""Weights in the segmenter's loss: of the second output, of the decoder's losses, and of three adversaries."""
OF_SCORES = ("scores_discriminator", "second_scores_discriminator")
SETTINGS = ("width", "blocks", "learning_rate")


class SIFATrainer(TrainerOfParts):
    """One update = one step each, in this order, of generator, its discriminator, segmenter, decoder, all others.

    Every step sees the networks as those before it left them.

    Args:
        segmenter: Encoder and classifiers; the encoder is that of the translation to the source too.
        source: Labeled slices.
        target: Slices without labels.
        width: Channels of the first layer of `TargetGenerator`; discriminators have twice as many.
        blocks: Residual blocks of the generator.
        ema_decay: Decay of the averaged segmenter, the one that is kept; 0: the segmenter itself.
    """

    def __init__(
        self,
        segmenter: SIFANet,
        source: LabeledSliceSampler,
        target: LabeledSliceSampler,
        job: Job,
        width: int,
        blocks: int,
        learning_rate: float,
        ema_decay: float,
    ) -> None:
        self.source, self.target, self.seed = source, target, job.seed
        self.device, self.dtype = job.device, job.dtype
        classes = segmenter.arguments["classes"]
        networks = {
            "generator": TargetGenerator(width, blocks),
            "segmenter": segmenter.train(),
            "decoder": SourceDecoder(segmenter.features, width),
            "target_discriminator": make_discriminator(2 * width),
            "source_discriminator": make_discriminator(2 * width, outputs=2),
            **{name: make_discriminator(2 * width, inputs=classes) for name in OF_SCORES},
        }
        self.networks = nn.ModuleDict(networks).to(job.device)
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), learning_rate, GAN_BETAS)
            for name, network in self.networks.items()
        }
        # Coupled decay, as SIFA's L2 loss; norms' scales and shifts included.
        self.optimizers["segmenter"] = torch.optim.Adam(
            segmenter.parameters(), learning_rate, SEGMENTER_BETAS, weight_decay=WEIGHT_DECAY
        )
        self.norms = [module for module in segmenter.modules() if isinstance(module, nn.BatchNorm2d)]
        self.average = MovingAverage(segmenter, ema_decay) if ema_decay else None
        self.pools = {domain: ImagePool(job.device) for domain in ("source", "target")}
        self.batches = Prefetcher(self._draw, job.device)

    @property
    def kept(self) -> SIFANet:
        """The segmenter that the training is for."""
        return self.average.module if self.average else self.networks["segmenter"]

    def update(self, step: int) -> dict[str, Tensor]:
        torch.manual_seed(int(generator_for(self.seed, "dropout", step).integers(2**62)))
        batch = self.batches.get(step)
        losses = {
            "generator": self._descend("generator", self._generator_loss, batch),
            "target_discriminator": self._descend_target_discriminator(batch, step),
            "segmenter": self._descend("segmenter", self._segmenter_loss, batch),
            "decoder": self._descend("decoder", self._decoder_loss, batch),
            **self._descend_other_discriminators(batch, step),
        }
        if self.average:
            self.average.update(self.networks["segmenter"], step)
        return {name: loss.detach() for name, loss in losses.items()}

    def _descend(self, name: str, loss_of: Callable[..., Tensor], *arguments: Any) -> Tensor:
        """Do one update of a network along the gradient of its loss; only the segmenter's moves running statistics."""
        for other, network in self.networks.items():
            network.requires_grad_(other == name)
        for norm in self.norms:
            norm.track_running_stats = name == "segmenter"
        with autocast(self.device, self.dtype):
            loss = loss_of(*arguments)
        descend(self.optimizers[name], loss)
        return loss

    def _generator_loss(self, batch: Batch) -> Tensor:
        translated = self._translate(batch)
        scores = self.networks["target_discriminator"](translated.fake_target)
        return least_squares_gan_loss([scores], real=True) + CYCLE_WEIGHT * self._cycle_loss(batch, translated)

    def _segmenter_loss(self, batch: Batch) -> Tensor:
        translated, segmenter = self._translate(batch), self.networks["segmenter"]
        first, second = segmenter.classify(*translated.features_of_fake)
        loss = sifa_segmentation_loss(first, batch[1]) + SECOND_OUTPUT * sifa_segmentation_loss(second, batch[1])
        of_source = self.networks["source_discriminator"](translated.fake_source)
        of_target = segmenter.classify(*translated.features_of_target)
        first, second = (self.networks[name](x) for name, x in zip(OF_SCORES, of_target, strict=True))
        return (
            loss
            + DECODING * self._decoding_loss(batch, translated, of_source)
            + SCORES * least_squares_gan_loss([first], real=True)
            + SECOND_SCORES * least_squares_gan_loss([second], real=True)
            + AUXILIARY * least_squares_gan_loss([of_source[:, 1]], real=True)
        )

    def _decoder_loss(self, batch: Batch) -> Tensor:
        translated = self._translate(batch)
        of_source = self.networks["source_discriminator"](translated.fake_source)
        return self._decoding_loss(batch, translated, of_source)

    def _decoding_loss(self, batch: Batch, translated: "Translated", of_source: Tensor) -> Tensor:
        """Return the loss of translations to the source, whose discriminator's scores are `of_source`."""
        adversarial = least_squares_gan_loss([of_source[:, 0]], real=True)
        return adversarial + CYCLE_WEIGHT * self._cycle_loss(batch, translated)

    def _cycle_loss(self, batch: Batch, translated: "Translated") -> Tensor:
        source, _, target = batch
        target_again = self.networks["generator"](translated.fake_source)
        return paired_l1([translated.source_again, target_again], [source, target])

    def _translate(self, batch: Batch) -> "Translated":
        source, _, target = batch
        segmenter, decoder = self.networks["segmenter"], self.networks["decoder"]
        fake_target = self.networks["generator"](source)
        features_of_fake, features_of_target = segmenter.encode(fake_target), segmenter.encode(target)
        return Translated(
            fake_target=fake_target,
            source_again=decoder(features_of_fake[0], fake_target),
            fake_source=decoder(features_of_target[0], target),
            features_of_fake=features_of_fake,
            features_of_target=features_of_target,
        )

    def _descend_target_discriminator(self, batch: Batch, step: int) -> Tensor:
        with torch.no_grad(), autocast(self.device, self.dtype):
            fake = self._pooled("target", self.networks["generator"](batch[0]), step)
        return self._descend("target_discriminator", self._discriminator_loss, "target_discriminator", batch[2], fake)

    def _descend_other_discriminators(self, batch: Batch, step: int) -> dict[str, Tensor]:
        segmenter = self.networks["segmenter"]
        with torch.no_grad(), autocast(self.device, self.dtype):
            translated = self._translate(batch)
            of_fake = segmenter.classify(*translated.features_of_fake)
            of_target = segmenter.classify(*translated.features_of_target)
        fake = self._pooled("source", translated.fake_source, step)
        shown = (batch[0], translated.source_again, fake)
        losses = {"source_discriminator": self._descend("source_discriminator", self._source_loss, *shown)}
        for name, real, other in zip(OF_SCORES, of_fake, of_target, strict=True):
            losses[name] = self._descend(name, self._discriminator_loss, name, real, other)
        return losses

    def _discriminator_loss(self, name: str, real: Tensor, fake: Tensor) -> Tensor:
        return _real_against_fake(self.networks[name](real), self.networks[name](fake))

    def _source_loss(self, source: Tensor, source_again: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of source against fake, and in the second output of source after both translations."""
        real, again, scores = (self.networks["source_discriminator"](x) for x in (source, source_again, fake))
        return _real_against_fake(real[:, 0], scores[:, 0]) + _real_against_fake(again[:, 1], scores[:, 1])

    def _pooled(self, domain: str, images: Tensor, step: int) -> Tensor:
        return self.pools[domain].exchange(images, generator_for(self.seed, "pool", domain, step))

    def _draw(self, step: int) -> Batch:
        """Return images and class indices of the source, and images of the target."""
        unlabeled, _ = self.target.draw(generator_for(self.seed, "target", step), self.device)
        return *self.source.draw(generator_for(self.seed, "source", step), self.device), unlabeled

    @torch.no_grad()
    def draw_previews(self, figure: str | Path) -> None:
        """Draw slices of both domains: as they are, translated, and translated back."""
        drawn = [self._draw(step) for step in range(COLUMNS)]
        batch = tuple(torch.cat(parts)[:COLUMNS] for parts in zip(*drawn, strict=True))
        networks = self.networks.eval()
        translated = self._translate(batch)
        target_again = networks["generator"](translated.fake_source)
        rows = [batch[0], translated.fake_target, translated.source_again]
        save_gray([*rows, batch[2], translated.fake_source, target_again], figure)

    def _parts(self) -> dict[str, Any]:
        return {
            "networks": self.networks,
            **{f"{name}_optimizer": optimizer for name, optimizer in self.optimizers.items()},
            **{f"{domain}_pool": pool for domain, pool in self.pools.items()},
            **({"average": self.average.module} if self.average else {}),
        }


@dataclass(frozen=True)
class Translated:
    """Both domains' images translated and the source's back, and the segmenter's features of target-like images."""

    fake_target: Tensor
    source_again: Tensor
    fake_source: Tensor
    features_of_fake: tuple[Tensor, Tensor]
    features_of_target: tuple[Tensor, Tensor]


def _real_against_fake(real: Tensor, fake: Tensor) -> Tensor:
    return (least_squares_gan_loss([real], real=True) + least_squares_gan_loss([fake], real=False)) / 2


def train_sifa(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    target_images: Sequence[str | Path],
    weights: str | Path,
    history: str | Path,
    previews: str | Path,
    job: Job,
    classes: int,
    network: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    sifa: Mapping[str, Any],
) -> None:
    """Train on the labeled source and the unlabeled target; write the segmenter of target slices.

    Args:
        images: Labeled volumes of the source.
        labels: The label volume of each.
        target_images: Training volumes of the target; their labels are not read.
        weights: Output, safetensors: the segmenter.
        history: Output, TSV: one row per step, one column per network's loss.
        previews: Output, PNG, see `SIFATrainer.draw_previews`.
        network: `architecture: sifa`, see `make_segmenter`.
        segmentation: The configuration's branch of this name.
        sifa: The configuration's branch of this name.
    """
    torch.manual_seed(job.seed)
    segmenter = make_segmenter(classes, segmentation["channels"], **network)
    samplers = open_slices(images, labels, target_images, segmentation, sifa["batch_size"])
    settings = {key: sifa[key] for key in SETTINGS}
    trainer = SIFATrainer(segmenter, *samplers, job, **settings, ema_decay=segmentation["ema_decay"])
    pace, files = {**segmentation, **sifa}, [*images, *labels, *target_images]
    choices = {"classes": classes, "network": network}
    with job.training("train_sifa", trainer, sifa["steps"], pace, history, files, **choices):
        trainer.draw_previews(previews)
        trainer.kept.save(weights)
