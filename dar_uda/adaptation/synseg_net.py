"""SynSeg-Net (Huo et al., IEEE TMI 2019): CycleGAN and a 2D segmenter of its translations, trained end to end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.adaptation.cyclegan import Direction
from dar_uda.adaptation.train_cyclegan import CycleGANTrainer
from dar_uda.segmentation.networks import Segmenter, make_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.train import BETAS, cosine
from dar_uda.training.checkpoint import CheckpointFolder, identity_of
from dar_uda.training.device import autocast, choose_precision, prepare_device
from dar_uda.training.ema import MovingAverage
from dar_uda.training.loop import run_training, write_history
from dar_uda.training.optimizer import adabelief
from dar_uda.training.randomness import generator_for
from dar_uda.translation.slices import SliceSampler, steps_of


class SynSegTrainer(CycleGANTrainer):
    """CycleGAN's update; in the last `segmenter_steps` of them the segmenter learns from translated source slices.

    Its weighted cross-entropy reaches through the translation into the source's generator.

    Args:
        patches: Labelled slices of the source.
        way: From the source to the target.
        class_weights: Of the cross-entropy, see `class_weights_of`.
        ema: Decay of the averaged segmenter, the one that is kept; 0: the segmenter itself.
    """

    def __init__(
        self,
        *args: Any,
        segmenter: Segmenter,
        patches: PatchSampler,
        way: Direction,
        class_weights: Tensor,
        segmenter_steps: int,
        segmenter_rates: tuple[float, float],
        weight_decay: float,
        ema: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.segmenter, self.patches, self.way = segmenter.to(self.device).train(), patches, way
        self.class_weights, self.segmenter_rates = class_weights.to(self.device), segmenter_rates
        self.segmenter_steps, self.first_joint_step = segmenter_steps, self.steps - segmenter_steps
        self.segmenter_average = MovingAverage(self.segmenter, ema) if ema else None
        self.segmenter_optimizer = adabelief(segmenter.parameters(), segmenter_rates[0], BETAS, weight_decay)

    @property
    def kept(self) -> Segmenter:
        """The segmenter that the training is for."""
        return self.segmenter_average.module if self.segmenter_average else self.segmenter

    def update(self, step: int) -> dict[str, float]:
        self._joint_step = step - self.first_joint_step
        losses = super().update(step)
        if self._joint_step < 0:
            return {**losses, "segmentation": 0.0}
        if self.segmenter_average:
            self.segmenter_average.update(self.segmenter, self._joint_step)
        return losses

    def _update_generators(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        if self._joint_step < 0:
            return super()._update_generators(losses)
        for group in self.segmenter_optimizer.param_groups:
            group["lr"] = cosine(*self.segmenter_rates, self._joint_step / self.segmenter_steps)
        self.segmenter_optimizer.zero_grad(set_to_none=True)
        losses["segmentation"] = self._segmentation_loss()
        super()._update_generators(losses)
        self.segmenter_optimizer.step()
        return losses

    def _segmentation_loss(self) -> Tensor:
        images, labels = self.patches.draw(generator_for(self.seed, "patches", self._joint_step), self.device)
        with autocast(self.device, self.dtype):
            slices = images.transpose(1, 2).flatten(0, 1)
            translated = self.generators(slices, self.way)
            scores = self.segmenter(translated.unflatten(0, (len(images), -1)).transpose(1, 2))
        return F.cross_entropy(scores.float(), labels, self.class_weights)

    def _parts(self) -> dict[str, Any]:
        average = {"segmenter_average": self.segmenter_average.module} if self.segmenter_average else {}
        own = {"segmenter": self.segmenter, "segmenter_optimizer": self.segmenter_optimizer, **average}
        return {**super()._parts(), **own}


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
    samples: str | Path,
    way: Direction,
    classes: int,
    network: dict[str, Any],
    seed: int,
    code: str,
    threads: int,
    device: str,
    precision: str,
    cyclegan: dict[str, Any],
    joint_slices: int,
    *,
    patch: Sequence[int],
    foreground_share: float,
    scale: float,
    channels: Sequence[int],
    steps: int,
    learning_rate: float,
    final_learning_rate: float,
    weight_decay: float,
    ema: float,
    checkpoint_every: int,
) -> None:
    """Train on the two domains' slices and on the source's labels; write the segmenter of target slices.

    Args:
        slices: Stacks of domain a and of domain b.
        images: Labelled volumes of the source.
        labels: The label volume of each.
        weights: Output, safetensors: the segmenter.
        history: Output, TSV: one row per step, one column per loss.
        samples: Output, PNG, see `CycleGANTrainer.draw_samples`.
        network: Architecture and switches, see `make_segmenter`.
        code: Version of the code behind this training; a checkpoint of another version is not resumed.
        cyclegan: `batch epochs steps crop width blocks learning_rate cycle_weight`, see `train_cyclegan`.
        joint_slices: Labelled slices per update of the segmenter.
        steps: Updates of the segmenter; of the generators at least as many.
    """
    batch, epochs, total, crop = (cyclegan[key] for key in ("batch", "epochs", "steps", "crop"))
    samplers = [SliceSampler(stack, batch, crop) for stack in slices]
    total = max(total or steps_of(epochs, samplers), steps)
    where = prepare_device(device, threads)
    dtype = choose_precision(precision, where)
    sampling = {"patch": [1, *patch[1:]], "batch": joint_slices, "foreground_share": foreground_share, "scale": scale}
    choices = {"seed": seed, "code": code, "classes": classes, "network": network, "channels": list(channels)}
    rates = {"steps": steps, "rates": [learning_rate, final_learning_rate], "weight_decay": weight_decay, "ema": ema}
    computing = {"cyclegan": cyclegan, "way": way, "device": where.type, "dtype": dtype}
    identity = identity_of({**choices, **sampling, **rates, **computing}, [*slices, *images, *labels])
    torch.manual_seed(seed)
    trainer = SynSegTrainer(
        samplers,
        where,
        dtype,
        seed,
        total,
        **{key: cyclegan[key] for key in ("width", "blocks", "learning_rate", "cycle_weight")},
        segmenter=make_segmenter(classes, channels, **network),
        patches=PatchSampler(images, labels, **sampling),
        way=way,
        class_weights=class_weights_of(labels, classes),
        segmenter_steps=steps,
        segmenter_rates=(learning_rate, final_learning_rate),
        weight_decay=weight_decay,
        ema=ema,
    )
    with CheckpointFolder(Path(weights).parent / "checkpoints", identity) as checkpoints:
        losses = run_training("train_synseg_net", trainer, total, checkpoints, checkpoint_every)
        trainer.draw_samples(samples)
        write_history(losses, history)
        trainer.kept.save(weights)
