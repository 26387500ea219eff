"""Training of CycleGAN (Zhu et al., ICCV 2017)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dar_uda.adaptation.cyclegan import CycleGAN, PatchDiscriminator, initialize
from dar_uda.adaptation.image_pool import ImagePool
from dar_uda.training.device import autocast
from dar_uda.training.job import Job
from dar_uda.training.loop import TrainerOfParts
from dar_uda.training.optimizer import descend
from dar_uda.training.prefetch import Batch, Prefetcher
from dar_uda.training.randomness import generator_for
from dar_uda.translation.losses import least_squares_gan_loss, paired_l1
from dar_uda.translation.previews import save_gray, spread
from dar_uda.translation.slices import SliceSampler, open_samplers

BETAS = (0.5, 0.999)
SETTINGS = ("width", "blocks", "learning_rate", "cycle_weight")


class CycleGANTrainer(TrainerOfParts):
    """One update = one step of both generators, then one of both discriminators.

    Args:
        samplers: Slices of domain a and of domain b.
        steps: Updates in all: the rates are constant over the first half and fall to 0 over the second.
        cycle_weight: Of the L1 distance of an image and its translation back.
    """

    def __init__(
        self,
        samplers: Sequence[SliceSampler],
        job: Job,
        steps: int,
        width: int,
        blocks: int,
        learning_rate: float,
        cycle_weight: float,
    ) -> None:
        self.samplers, self.seed, self.device, self.dtype = samplers, job.seed, job.device, job.dtype
        self.steps, self.learning_rate, self.weights = steps, learning_rate, {"cycle": cycle_weight}
        torch.manual_seed(job.seed)
        self.generators = CycleGAN(width, blocks).to(job.device)
        self.discriminators = nn.ModuleDict({side: PatchDiscriminator(width) for side in "ab"})
        initialize(self.discriminators)  # on the CPU: the same draws whatever the device
        self.discriminators.to(job.device)
        self.pools = {side: ImagePool(job.device) for side in "ab"}
        self.generator_optimizer = torch.optim.Adam(self.generators.parameters(), learning_rate, BETAS)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminators.parameters(), learning_rate, BETAS)
        self.batches = Prefetcher(self._draw, job.device)

    def update(self, step: int) -> dict[str, Tensor]:
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            optimizer.param_groups[0]["lr"] = self.learning_rate * falling(step / self.steps)
        batch = self.batches.get(step)
        images = dict(zip("ab", batch, strict=False))
        fakes, losses = self._generator_losses(batch)
        losses = self._update_generators(losses, batch)
        losses["discriminators"] = self._update_discriminators(images, fakes, step)
        return {name: value.detach() for name, value in losses.items()}

    def _draw(self, step: int) -> Batch:
        """Return images of domain a and of domain b."""
        return tuple(
            sampler.draw(generator_for(self.seed, "slices", side, step), self.device)
            for side, sampler in zip("ab", self.samplers, strict=True)
        )

    def _generator_losses(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the images translated into each domain, and the losses `adversarial` and `cycle`."""
        images = dict(zip("ab", batch, strict=False))
        discriminator = self.discriminators.requires_grad_(False)
        with autocast(self.device, self.dtype):
            fakes = {"b": self.generators(images["a"], "AtoB"), "a": self.generators(images["b"], "BtoA")}
            back = [self.generators(fakes["b"], "BtoA"), self.generators(fakes["a"], "AtoB")]
            scores = [discriminator[side](fakes[side]) for side in "ab"]
        return fakes, {
            "adversarial": least_squares_gan_loss(scores, real=True),
            "cycle": paired_l1(back, [images["a"], images["b"]]),
        }

    def _update_generators(self, losses: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:  # noqa: ARG002
        descend(self.generator_optimizer, sum(self.weights.get(name, 1.0) * loss for name, loss in losses.items()))
        return losses

    def _update_discriminators(self, images: dict[str, Tensor], fakes: dict[str, Tensor], step: int) -> Tensor:
        """Take half of the usual gradient, as the paper does to slow the discriminators down."""
        discriminator = self.discriminators.requires_grad_(True)
        shown = {
            side: self.pools[side].exchange(fakes[side], generator_for(self.seed, "pool", side, step)) for side in "ab"
        }
        with autocast(self.device, self.dtype):
            real = [discriminator[side](images[side]) for side in "ab"]
            fake = [discriminator[side](shown[side]) for side in "ab"]
        loss = (least_squares_gan_loss(real, real=True) + least_squares_gan_loss(fake, real=False)) / 2
        descend(self.discriminator_optimizer, loss)
        return loss

    @torch.no_grad()
    def draw_previews(self, figure: str | Path) -> None:
        """Draw fixed slices of both domains: as they are, translated, and translated back."""
        rows = []
        for images, there, back in zip(self._shown(), ("AtoB", "BtoA"), ("BtoA", "AtoB"), strict=True):
            translated = self.generators(images, there)
            rows += [images, translated, self.generators(translated, back)]
        save_gray(rows, figure)

    def _shown(self) -> list[Tensor]:
        """Return the images of domain a and of domain b that previews show."""
        return [spread(sampler.slices).to(self.device) for sampler in self.samplers]

    def _parts(self) -> dict[str, Any]:
        return {
            "generators": self.generators,
            "discriminators": self.discriminators,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            **{f"pool_{side}": pool for side, pool in self.pools.items()},
        }


def falling(progress: float) -> float:
    """Return 1 up to progress 1/2, then a straight fall to 0 at 1."""
    return min(1.0, 2 * (1 - progress))


def train_cyclegan(
    slices: Sequence[str | Path],
    weights: str | Path,
    history: str | Path,
    previews: str | Path,
    job: Job,
    cyclegan: Mapping[str, Any],
) -> None:
    """Train on the two domains' slices and write the generators.

    Args:
        slices: Stacks of domain a and of domain b.
        weights: Output, safetensors: the `CycleGAN`.
        history: Output, TSV: one row per step, one column per loss.
        previews: Output, PNG, see `CycleGANTrainer.draw_previews`.
        cyclegan: The configuration's branch of this name.
    """
    samplers, steps = open_samplers(slices, cyclegan)
    trainer = CycleGANTrainer(samplers, job, steps, **{key: cyclegan[key] for key in SETTINGS})
    with job.training("train_cyclegan", trainer, steps, cyclegan, history, slices):
        trainer.draw_previews(previews)
        trainer.generators.save(weights)
