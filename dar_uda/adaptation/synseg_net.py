"""SynSeg-Net (Huo et al., IEEE TMI 2019): CycleGAN and a 2D segmenter of its translations, trained end to end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.adaptation.cyclegan import GeneratorName
from dar_uda.adaptation.train_cyclegan import SETTINGS, CycleGANTrainer
from dar_uda.segmentation.networks import Segmenter, make_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.train import BETAS, SAMPLING, cosine
from dar_uda.training.device import autocast
from dar_uda.training.ema import MovingAverage
from dar_uda.training.job import Job
from dar_uda.training.optimizer import adabelief
from dar_uda.training.prefetch import Batch
from dar_uda.training.randomness import generator_for
from dar_uda.translation.slices import open_samplers


class SynSegTrainer(CycleGANTrainer):
    """CycleGAN's update; in `segmenter_steps` of them, evenly spread, the segmenter learns from translated slices.

    Its weighted cross-entropy reaches through the translation into the source's generator.

    Args:
        patches: Labeled slices of the source.
        generator: That from the source to the target.
        class_weights: Of the cross-entropy, see `class_weights_of`.
        ema_decay: Decay of the averaged segmenter, the one that is kept; 0: the segmenter itself.
    """

    def __init__(
        self,
        *args: Any,
        segmenter: Segmenter,
        patches: PatchSampler,
        generator: GeneratorName,
        class_weights: Tensor,
        segmenter_steps: int,
        segmenter_rates: tuple[float, float],
        weight_decay: float,
        ema_decay: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.segmenter, self.patches, self.generator = segmenter.to(self.device).train(), patches, generator
        self.class_weights, self.segmenter_rates = class_weights.to(self.device), segmenter_rates
        self.segmenter_steps = segmenter_steps
        self.segmenter_average = MovingAverage(self.segmenter, ema_decay) if ema_decay else None
        self.segmenter_optimizer = adabelief(segmenter.parameters(), segmenter_rates[0], BETAS, weight_decay)

    @property
    def kept(self) -> Segmenter:
        """The segmenter that the training is for."""
        return self.segmenter_average.module if self.segmenter_average else self.segmenter

    def update(self, step: int) -> dict[str, Tensor]:
        self._joint_step = joint_step(step, self.steps, self.segmenter_steps)
        losses = super().update(step)
        if self._joint_step is not None and self.segmenter_average:
            self.segmenter_average.update(self.segmenter, self._joint_step)
        return losses

    def _draw(self, step: int) -> Batch:
        """Return images of both domains, and in a joint step labeled patches of the source."""
        images, joint = super()._draw(step), joint_step(step, self.steps, self.segmenter_steps)
        if joint is None:
            return images
        return *images, *self.patches.draw(generator_for(self.seed, "patches", joint), self.device)

    def _update_generators(self, losses: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        if self._joint_step is None:
            return super()._update_generators(losses, batch)
        for group in self.segmenter_optimizer.param_groups:
            group["lr"] = cosine(*self.segmenter_rates, self._joint_step / self.segmenter_steps)
        self.segmenter_optimizer.zero_grad(set_to_none=True)
        losses["segmentation"] = self._segmentation_loss(*batch[2:])
        super()._update_generators(losses, batch)
        self.segmenter_optimizer.step()
        return losses

    def _segmentation_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with autocast(self.device, self.dtype):
            slices = images.transpose(1, 2).flatten(0, 1)
            translated = self.generators(slices, self.generator)
            scores = self.segmenter(translated.unflatten(0, (len(images), -1)).transpose(1, 2))
        return F.cross_entropy(scores.float(), labels, self.class_weights)

    def _parts(self) -> dict[str, Any]:
        average = {"segmenter_average": self.segmenter_average.module} if self.segmenter_average else {}
        own = {"segmenter": self.segmenter, "segmenter_optimizer": self.segmenter_optimizer, **average}
        return {**super()._parts(), **own}


def joint_step(step: int, steps: int, joint: int) -> int | None:
    """Return which of `joint` updates, spread evenly over `steps` and the last of these among them, a step holds.

    None where it holds none.
    """
    done = (step + 1) * joint // steps
    return done - 1 if done > step * joint // steps else None


def class_weights_of(labels: Sequence[str | Path], classes: int) -> Tensor:
    """Return 1 / ln(1.02 + p) for the share p of every class in the label maps (ENet, Paszke et al. 2016).

    From 1.42 where a class is everywhere up to 50 where it is hardly anywhere.
    """
    from dar_uda.data.network_volume import open_label

    counts = sum(torch.bincount(torch.from_numpy(open_label(path).flatten()), minlength=classes) for path in labels)
    return 1 / torch.log(1.02 + counts / counts.sum())


def train_synseg_net(
    slices: Sequence[str | Path],
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    weights: str | Path,
    history: str | Path,
    previews: str | Path,
    job: Job,
    generator: GeneratorName,
    classes: int,
    network: Mapping[str, Any],
    cyclegan: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    joint_slices: int,
) -> None:
    """Train on the two domains' slices and on the source's labels; write the segmenter of target slices.

    Args:
        slices: Stacks of domain a and of domain b.
        images: Labeled volumes of the source.
        labels: The label volume of each.
        weights: Output, safetensors: the segmenter.
        history: Output, TSV: one row per step, one column per loss.
        previews: Output, PNG, see `CycleGANTrainer.draw_previews`.
        network: Architecture and switches, see `make_segmenter`.
        cyclegan: The configuration's branch of this name.
        segmentation: The configuration's branch of this name; the segmenter has no more steps than the translator.
        joint_slices: Labeled slices per update of the segmenter.
    """
    samplers, steps = open_samplers(slices, cyclegan)
    _, height, width = segmentation["patch_size"]
    sampling = {**segmentation, "patch_size": [1, height, width], "batch_size": joint_slices}
    torch.manual_seed(job.seed)
    trainer = SynSegTrainer(
        samplers,
        job,
        steps,
        **{key: cyclegan[key] for key in SETTINGS},
        segmenter=make_segmenter(classes, segmentation["channels"], **network),
        patches=PatchSampler(images, labels, **{key: sampling[key] for key in SAMPLING}),
        generator=generator,
        class_weights=class_weights_of(labels, classes),
        segmenter_steps=min(steps, segmentation["steps"]),
        segmenter_rates=(segmentation["learning_rate"], segmentation["final_learning_rate"]),
        weight_decay=segmentation["weight_decay"],
        ema_decay=segmentation["ema_decay"],
    )
    files, choices = [*slices, *images, *labels], {"classes": classes, "network": network, "joint_slices": joint_slices}
    choices |= {"generator": generator, "cyclegan": cyclegan}
    with job.training("train_synseg_net", trainer, steps, segmentation, history, files, **choices):
        trainer.draw_previews(previews)
        trainer.kept.save(weights)
