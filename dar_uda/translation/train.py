"""Training of the content/style disentangling translator (paper, section III-A)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dar_uda.training import distributed
from dar_uda.training.cuda_graphs import as_launched
from dar_uda.training.device import autocast
from dar_uda.training.ema import MovingAverage
from dar_uda.training.job import Job
from dar_uda.training.loop import TrainerOfParts
from dar_uda.training.optimizer import adabelief, descend_in_turn, differentiate
from dar_uda.training.prefetch import Batch, Prefetcher
from dar_uda.training.randomness import generator_for
from dar_uda.translation.losses import least_squares_gan_loss, paired_l1
from dar_uda.translation.networks import ContentDiscriminator, ImageDiscriminator, initialize
from dar_uda.translation.previews import draw_previews
from dar_uda.translation.slices import SliceSampler, open_samplers
from dar_uda.translation.translator import Translator

BETAS = (0.5, 0.9)
SETTINGS = ("width", "style_dim", "style_statistics", "learning_rate", "ema_decay", "loss_weights")


class Discriminators(nn.Module):
    """One discriminator of images per domain, one of content codes."""

    def __init__(self, width: int, image_size: int) -> None:
        super().__init__()
        self.a = ImageDiscriminator(width, image_size)
        self.b = ImageDiscriminator(width, image_size)
        self.content = ContentDiscriminator(width, image_size)
        initialize(self)


class TranslatorTrainer(TrainerOfParts):
    """One update = one step of the discriminators, then one of the generator, on the same forward pass.

    Args:
        samplers: Slices of domain a and of domain b.
        loss_weights: One weight per generator loss.
    """

    def __init__(
        self,
        samplers: Sequence[SliceSampler],
        job: Job,
        width: int,
        style_dim: int,
        style_statistics: bool,
        learning_rate: Mapping[str, float],
        ema_decay: float,
        loss_weights: Mapping[str, float],
    ) -> None:
        self.samplers, self.loss_weights = samplers, loss_weights
        self.seed, self.device, self.dtype = job.seed, job.device, job.dtype
        torch.manual_seed(job.seed)
        image_size = min(side for sampler in samplers for side in sampler.size)
        self.translator = Translator(width, style_dim, style_statistics).to(job.device)
        self.discriminators = Discriminators(width, image_size).to(job.device)
        self.average = MovingAverage(self.translator, ema_decay)
        self.generator_optimizer = adabelief(self.translator.parameters(), learning_rate["generator"], BETAS)
        self.discriminator_optimizer = adabelief(
            self.discriminators.parameters(), learning_rate["discriminator"], BETAS
        )
        self.batches = Prefetcher(self._draw, job.device)
        self.gradients = as_launched(self._gradients, job.device, self.batches.settle)

    def update(self, step: int) -> dict[str, Tensor]:
        gradients = self.gradients(*self.batches.get(step))
        losses = descend_in_turn(gradients, self.discriminator_optimizer, self.generator_optimizer)
        self.average.update(self.translator, step)
        last = losses.pop("discriminators")
        return {**losses, "discriminators": last}

    def _gradients(self, images_a: Tensor, images_b: Tensor) -> Iterator[dict[str, Tensor]]:
        """Make the gradient of the discriminators, then that of the generator; yield their losses."""
        with autocast(self.device, self.dtype):
            passed = self._forward(images_a, images_b)
        yield self._differentiate_discriminators(passed)
        yield self._differentiate_generator(passed)

    def _draw(self, step: int) -> Batch:
        return tuple(
            sampler.draw(generator_for(self.seed, *distributed.purpose("slices", side, step)), self.device)
            for side, sampler in zip("ab", self.samplers, strict=True)
        )

    def _forward(self, images_a: Tensor, images_b: Tensor) -> dict[str, Tensor]:
        """Encode, reconstruct, translate, re-encode and translate back; pairs are stacked, domain a first."""
        net, images = self.translator, torch.cat([images_a, images_b])
        content, style = net.content(images), net.styles(images_a, images_b)
        content_a, content_b = content.chunk(2)
        style_a, style_b = style.chunk(2)
        decoded = net.decoder(
            torch.cat([content_a, content_b, content_a, content_b]), torch.cat([style_a, style_b, style_b, style_a])
        )
        reconstructed, translated = decoded.chunk(2)
        as_b, as_a = translated.chunk(2)
        content_again = net.content(translated)
        style_b_again, style_a_again = net.style["b"](as_b), net.style["a"](as_a)
        return {
            "images": images,
            "content": content,
            "style": style,
            "reconstructed": reconstructed,
            "as_a": as_a,
            "as_b": as_b,
            "content_again": content_again,
            "style_again": torch.cat([style_a_again, style_b_again]),
            "cycle": net.decoder(content_again, style),
        }

    def _differentiate_discriminators(self, passed: dict[str, Tensor]) -> dict[str, Tensor]:
        discriminator = self.discriminators.requires_grad_(True)
        images_a, images_b = passed["images"].chunk(2)
        with autocast(self.device, self.dtype):
            loss = (
                _discriminator_loss(discriminator.a, real=images_a, fake=passed["as_a"].detach())
                + _discriminator_loss(discriminator.b, real=images_b, fake=passed["as_b"].detach())
                + _discriminator_loss(discriminator.content, *passed["content"].detach().chunk(2))
            )
        differentiate(self.discriminator_optimizer, loss / distributed.count())
        return {"discriminators": loss.detach()}

    def _differentiate_generator(self, passed: dict[str, Tensor]) -> dict[str, Tensor]:
        discriminator = self.discriminators.requires_grad_(False)
        images, content, style = passed["images"], passed["content"], passed["style"]
        content_a, content_b = content.chunk(2)
        with autocast(self.device, self.dtype):
            losses = {
                "pixel_reconstruction": paired_l1(passed["reconstructed"].chunk(2), images.chunk(2)),
                "pixel_cycle": paired_l1(passed["cycle"].chunk(2), images.chunk(2)),
                "content_reconstruction": paired_l1(passed["content_again"].chunk(2), content.chunk(2)),
                "style_reconstruction": paired_l1(passed["style_again"].chunk(2), style.chunk(2)),
                "adversarial_image": least_squares_gan_loss(discriminator.a(passed["as_a"]), real=True)
                + least_squares_gan_loss(discriminator.b(passed["as_b"]), real=True),
                "adversarial_content": _discriminator_loss(discriminator.content, real=content_b, fake=content_a),
            }
        weighted = sum(self.loss_weights[name] * loss for name, loss in losses.items())
        differentiate(self.generator_optimizer, weighted / distributed.count())
        return {name: loss.detach() for name, loss in losses.items()}

    def _parts(self) -> dict[str, Any]:
        return {
            "translator": self.translator,
            "average": self.average.module,
            "discriminators": self.discriminators,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }


def _discriminator_loss(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return the loss of taking `real` for real and `fake` for fake; both go through the discriminator in one call."""
    scores = discriminator(torch.cat([real, fake]))
    pairs = [score.chunk(2) for score in (scores if isinstance(scores, list) else [scores])]
    return least_squares_gan_loss([pair[0] for pair in pairs], real=True) + least_squares_gan_loss(
        [pair[1] for pair in pairs], real=False
    )


class SamplingTrainer(TranslatorTrainer):
    """A trainer that draws the sample grid as it goes."""

    def __init__(self, *args: Any, previews: str | Path, preview_every: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.previews, self.preview_every = previews, preview_every

    def update(self, step: int) -> dict[str, Tensor]:
        losses = super().update(step)
        if (step + 1) % self.preview_every == 0 and distributed.number() == 0:
            self.draw()
        return losses

    def draw(self) -> None:
        stacks = [sampler.slices for sampler in self.samplers]
        draw_previews(self.average.module, stacks, self.previews, self.device)


def train_translator(
    slices: Sequence[str | Path],
    weights: str | Path,
    history: str | Path,
    previews: str | Path,
    job: Job,
    translation: Mapping[str, Any],
) -> None:
    """Train on the two domains' slices and write the averaged generator side.

    Args:
        slices: Stacks of domain a and of domain b.
        weights: Output, safetensors: the `Translator`.
        history: Output, TSV: one row per step, one column per loss.
        previews: Output, PNG: fixed slices, reconstructed and translated; drawn anew every `preview_every` steps.
        translation: The configuration's branch of this name.
    """
    samplers, steps = open_samplers(slices, translation)
    sampling = {"previews": previews, "preview_every": translation["preview_every"]}
    trainer = SamplingTrainer(samplers, job, **sampling, **{key: translation[key] for key in SETTINGS})
    with job.training("train_translator", trainer, steps, translation, history, slices):
        trainer.draw()
        trainer.average.module.save(weights)
