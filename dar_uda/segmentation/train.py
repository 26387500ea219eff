"""Training of the segmenter (paper, section III-B)."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from dar_uda.segmentation.domain_randomization import DomainRandomization
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.networks import Segmenter, make_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.previews import SLICES, draw_slices, middle_slices
from dar_uda.training import distributed
from dar_uda.training.cuda_graphs import as_launched
from dar_uda.training.device import autocast
from dar_uda.training.ema import MovingAverage
from dar_uda.training.job import Job
from dar_uda.training.loop import TrainerOfParts
from dar_uda.training.optimizer import adabelief, descend_in_turn, differentiate
from dar_uda.training.prefetch import Batch, Prefetcher
from dar_uda.training.randomness import generator_for
from dar_uda.training.usage import TimedTrainer, write_training_usage

BETAS = (0.9, 0.999)
SAMPLING = ("patch_size", "batch_size", "foreground_fraction", "scale", "augmentation")
OPTIMIZATION = ("learning_rate", "final_learning_rate", "weight_decay", "focal_weight", "ema_decay")
STATISTICS_BATCHES = 20


class SegmenterTrainer(TrainerOfParts):
    """One update = one batch of patches, all outputs' losses summed.

    Args:
        network: In training mode returns one score volume or, with deep supervision, a list of them.
        ema_decay: Decay of the averaged network, the one that is kept; 0: the network itself.
        candidates: How many networks to finish: the last one, and others at even steps of the second half before it.
    """

    def __init__(
        self,
        network: nn.Module,
        sampler: PatchSampler,
        job: Job,
        steps: int,
        learning_rate: float,
        final_learning_rate: float,
        weight_decay: float,
        focal_weight: float,
        ema_decay: float,
        candidates: int = 1,
    ) -> None:
        if job.activation_checkpointing:
            network.checkpoint_activations()
        self.network, self.sampler = network.to(job.device).train(), sampler
        self.average = MovingAverage(self.network, ema_decay) if ema_decay else None
        self.device, self.dtype, self.seed = job.device, job.dtype, job.seed
        self.steps, self.rates, self.focal_weight = steps, (learning_rate, final_learning_rate), focal_weight
        self.optimizer = adabelief(network.parameters(), learning_rate, BETAS, weight_decay)
        self.finished_after, self.finished = steps_to_finish_after(steps, candidates), {}
        self.batches = Prefetcher(self._draw, job.device)
        self.gradients = as_launched(self._gradients, job.device, self.batches.settle)

    def update(self, step: int) -> dict[str, Tensor]:
        losses = self._descend(step)
        if step + 1 in self.finished_after:
            self.finished[str(step + 1)] = self._finish().state_dict()
        return losses

    def _descend(self, step: int) -> dict[str, Tensor]:
        """Do one update of every optimizer and return the named losses."""
        self._set_rate(step)
        found = descend_in_turn(self.gradients(*self.batches.get(step)), *self._optimizers())
        if self.average:
            self.average.update(self.network, step)
        self.seen = [found.pop(name) for name in SLICES]
        return found

    def _gradients(self, images: Tensor, labels: Tensor) -> Iterator[dict[str, Tensor]]:
        """Make the gradient; yield the losses and what `picture` draws."""
        outputs = self._outputs(images)
        losses = [segmentation_loss(scores, labels, self.focal_weight) for scores in outputs]
        loss = sum(losses)
        differentiate(self.optimizer, loss)
        yield {"loss": loss.detach(), "main_output": losses[0].detach(), **middle_slices(images, labels, outputs[0])}

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        """Return one per piece of `_gradients`."""
        return [self.optimizer]

    def picture(self) -> NDArray:
        """Return the middle slices of the last update's patches, see `draw_slices`."""
        return draw_slices(*self.seen)

    def _set_rate(self, step: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(*self.rates, step / self.steps)

    @property
    def kept(self) -> Segmenter:
        """The network that the training is for."""
        return self.average.module if self.average else self.network

    def candidate(self, step: int) -> Segmenter:
        """Return the network as it was finished after `step` updates."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.finished[str(step)])
        return network

    def _outputs(self, images: Tensor) -> list[Tensor]:
        with autocast(self.device, self.dtype):
            outputs = self.network(images)
        return outputs if isinstance(outputs, list) else [outputs]

    def _draw(self, step: int) -> Batch:
        return self.sampler.draw(generator_for(self.seed, *distributed.purpose("patches", step)), self.device)

    def _finish(self) -> nn.Module:
        """Return a copy whose batch norms have as running statistics their mean over fresh training patches.

        Their momentum of 0.01 leaves much of the initial statistics after a short training.
        """
        network = copy.deepcopy(self.kept)
        with autocast(self.device, self.dtype):
            update_bn(self._fresh_images(), network)
        return network

    def _fresh_images(self) -> Iterator[Tensor]:
        """Yield the images of batches that no update has seen, drawn in float32 as those of an update are."""
        for batch in range(STATISTICS_BATCHES):
            with autocast(self.device, torch.float32):
                images, _ = self.sampler.draw(generator_for(self.seed, "statistics", batch), self.device)
            yield images

    def state(self) -> dict[str, Any]:
        return {**super().state(), "finished": self.finished}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.finished = state["finished"]

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer}
        return {**parts, "average": self.average.module} if self.average else parts


def sampling_of(segmentation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `PatchSampler` in the configuration's branch `segmentation`, the batch a rank's share."""
    sampling = {key: segmentation[key] for key in SAMPLING}
    return {
        **sampling,
        "batch_size": distributed.local_batch_size(segmentation["batch_size"], "segmentation.batch_size"),
    }


def steps_to_finish_after(steps: int, candidates: int) -> list[int]:
    """Return `candidates` evenly spaced numbers of updates, all beyond half of `steps`, the last `steps` itself."""
    return sorted({round(steps - steps / 2 * back / candidates) for back in range(candidates)})


def cosine(first: float, last: float, progress: float) -> float:
    """Return the rate at `progress` (0 to 1) of half a cosine from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


def train_segmenter(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    weights: str | Path,
    history: str | Path,
    usage: str | Path,
    job: Job,
    classes: int,
    network: Mapping[str, Any],
    segmentation: Mapping[str, Any],
    domain_randomization: Mapping[str, float] | None = None,
    source_images: Sequence[str | Path] = (),
    source_labels: Sequence[str | Path] = (),
    candidates: int = 1,
) -> None:
    """Train a segmentation network and write its weights, or those of several candidates to choose from.

    Args:
        images: Training volumes on the network grid.
        labels: The label volume of each image; one may serve several images.
        weights: Output, safetensors: the network; with several candidates a folder of `step-{updates}.safetensors`.
        history: Output, TSV: `step loss main_output`.
        usage: Output, JSON: see `write_training_usage`.
        classes: Number of classes, background included.
        network: Architecture and switches, see `make_segmenter`.
        segmentation: The configuration's branch of this name.
        domain_randomization: See `DomainRandomization`; None: none.
        source_images: Untranslated source volumes of which `domain_randomization` draws a fraction.
        source_labels: The label volume of each.
        candidates: See `SegmenterTrainer`.
    """
    torch.manual_seed(job.seed)
    segmenter = make_segmenter(classes, segmentation["channels"], **network)
    sampler = PatchSampler(
        images,
        labels,
        **sampling_of(segmentation),
        domain_randomization=DomainRandomization(**domain_randomization) if domain_randomization else None,
        source=(source_images, source_labels),
    )
    steps, settings = segmentation["steps"], {key: segmentation[key] for key in OPTIMIZATION}
    trainer = SegmenterTrainer(segmenter, sampler, job, steps, **settings, candidates=candidates)
    timed, name = TimedTrainer(trainer), f"train_segmenter {Path(weights).parent.parent.name}"
    files, choices = (
        [*images, *labels, *source_images, *source_labels],
        {"classes": classes, "network": network, "candidates": candidates},
    )
    choices |= {"domain_randomization": domain_randomization}
    with job.training(name, timed, steps, segmentation, history, files, trainer.picture, **choices):
        write_training_usage(usage, segmenter, timed)
        for step in trainer.finished_after:
            path = weights if candidates == 1 else Path(weights) / f"step-{step:07d}.safetensors"
            trainer.candidate(step).save(path)
