"""CyCADA's translation (Hoffman et al., ICML 2018): CycleGAN that keeps what a segmenter of the source sees."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.adaptation.cyclegan import GeneratorName
from dar_uda.adaptation.labeled_slices import LabeledSliceSampler, open_slices
from dar_uda.adaptation.train_cyclegan import SETTINGS, CycleGANTrainer
from dar_uda.segmentation.networks import Segmenter, load_segmenter
from dar_uda.training.device import autocast
from dar_uda.training.job import Job
from dar_uda.training.prefetch import Batch
from dar_uda.training.randomness import generator_for
from dar_uda.translation.previews import COLUMNS

SIDES: dict[GeneratorName, tuple[str, str]] = {"AtoB": ("a", "b"), "BtoA": ("b", "a")}
"""Source and target among the translator's domains, by the generator from the one to the other."""


class CyCADATrainer(CycleGANTrainer):
    """CycleGAN's update with the semantic loss beside the others, in every step.

    Args:
        samplers: Labeled slices of the source, then slices of the target.
        generator: That from the source to the target.
        segmenter: 2D, trained on the source; it stays as it is.
        semantic_weight: Of the semantic loss in each direction.
    """

    def __init__(
        self,
        samplers: Sequence[LabeledSliceSampler],
        *args: Any,
        generator: GeneratorName,
        segmenter: Segmenter,
        semantic_weight: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(samplers, *args, **kwargs)
        self.source, self.target = SIDES[generator]
        self.segmenter = segmenter.to(self.device).eval().requires_grad_(False)
        self.weights["semantic"] = semantic_weight

    def _draw(self, step: int) -> Batch:
        """Return images of domain a and of domain b, and the class indices of the source's."""
        draws = {
            side: sampler.draw(generator_for(self.seed, "slices", side, step), self.device)
            for side, sampler in zip((self.source, self.target), self.samplers, strict=True)
        }
        return draws["a"][0], draws["b"][0], draws[self.source][1]

    def _generator_losses(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        fakes, losses = super()._generator_losses(batch)
        images = dict(zip("ab", batch, strict=False))
        with autocast(self.device, self.dtype):
            with torch.no_grad():
                seen = self._scores(images[self.target]).argmax(1)
            pairs = [(self._scores(fakes[self.target]), batch[2]), (self._scores(fakes[self.source]), seen)]
        losses["semantic"] = sum(F.cross_entropy(scores.float(), classes) for scores, classes in pairs)
        return fakes, losses

    def _scores(self, images: Tensor) -> Tensor:
        """Return the scores (N, classes, H, W) of images (N, 1, H, W)."""
        return self.segmenter(images[:, :, None])[:, :, 0]

    def _shown(self) -> list[Tensor]:
        drawn = [self._draw(step)[:2] for step in range(COLUMNS)]
        return [torch.cat(images)[:COLUMNS] for images in zip(*drawn, strict=True)]


def train_cycada_translator(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    target_images: Sequence[str | Path],
    source_segmenter: str | Path,
    weights: str | Path,
    history: str | Path,
    previews: str | Path,
    job: Job,
    generator: GeneratorName,
    segmentation: Mapping[str, Any],
    cyclegan: Mapping[str, Any],
    cycada: Mapping[str, Any],
) -> None:
    """Train on the labeled source and the unlabeled target; write the generators.

    Labels of the source are those of the semantic loss there; in the target it takes the segmenter's masks.

    Args:
        images: Labeled volumes of the source.
        labels: The label volume of each.
        target_images: Training volumes of the target; their labels are not read.
        source_segmenter: Weights of a 2D segmenter trained on the source.
        weights: Output, safetensors: the `CycleGAN`.
        history: Output, TSV: one row per step, one column per loss.
        previews: Output, PNG, see `CycleGANTrainer.draw_previews`.
        generator: That from the source to the target.
        segmentation: The configuration's branch of this name; slices are cut and augmented as it says.
        cyclegan: The configuration's branch of this name, but for steps and epochs.
        cycada: `translator_steps` and `semantic_weight`.
    """
    samplers = open_slices(images, labels, target_images, segmentation, cyclegan["batch_size"])
    steps, settings = cycada["translator_steps"], {key: cyclegan[key] for key in SETTINGS}
    segmenter = load_segmenter(source_segmenter, job.device)
    own = {"generator": generator, "segmenter": segmenter, "semantic_weight": cycada["semantic_weight"]}
    trainer = CyCADATrainer(samplers, job, steps, **settings, **own)
    files = [*images, *labels, *target_images, source_segmenter]
    choices = {"generator": generator, "segmentation": segmentation, "cycada": cycada}
    with job.training("train_cycada_translator", trainer, steps, cyclegan, history, files, **choices):
        trainer.draw_previews(previews)
        trainer.generators.save(weights)
