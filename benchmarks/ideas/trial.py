"""A trial: train a variant's segmenter on stored volumes, let it learn from its own masks, segment, score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.ideas.consensus import label_by_consensus
from benchmarks.ideas.sampler import IdeaSampler, Looks
from benchmarks.ideas.trainer import IdeaTrainer
from benchmarks.ideas.variants import Variant
from dar_uda.adaptation.self_training import SEED_PER_ITERATION, kept_cases
from dar_uda.data.network_volume import open_image
from dar_uda.plan.plan import Plan
from dar_uda.plan.task import Direction
from dar_uda.preprocessing.classes import read_classes
from dar_uda.preprocessing.structures import single_structures
from dar_uda.segmentation.networks import Segmenter, load_segmenter, make_segmenter
from dar_uda.segmentation.predict import mask_of
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.train import OPTIMIZATION, sampling_of
from dar_uda.training.job import Job

NETWORK = "dar_unet"


@dataclass(frozen=True)
class Trial:
    """One variant in one direction under one seed, in a folder of its own.

    Attributes:
        folder: Of weights and pseudo-labels.
    """

    plan: Plan
    direction: str
    variant: Variant
    folder: Path
    job: Job

    def train(self) -> Path:
        """Return the weights of the first training."""
        torch.manual_seed(self.job.seed)
        segmentation = self.plan.networks.training_values(NETWORK)
        classes = len(self.plan.config.task.structures) + 1
        attention = {} if self.variant.attention else {"qam": False, "vam": False}
        switches = {**self.plan.networks.switches(NETWORK), **attention}
        network = make_segmenter(classes, segmentation["channels"], **switches)
        steps = round(self.variant.steps * segmentation["steps"])
        rate = self._chosen(self.variant.learning_rate, segmentation["learning_rate"])
        return self._trained("first", network, self.job, steps, rate, self._source())

    def iterate(self, initial: Path, teachers: Sequence[Path], number: int, steps: int) -> Path:
        """Return the weights after self-training iteration `number`, for which the teachers label the target."""
        folder, volumes = self.folder / f"iteration-{number}", self.plan.volumes
        cases, images = volumes.target_cases(self.direction), volumes.of_target(self.direction, "image.nii")
        label_by_consensus(
            cases,
            images,
            [self._predictor(weights) for weights in teachers],
            volumes.structures_of_source(self.direction),
            folder / "labels",
            folder / "plausibility.tsv",
            self.plan.config.task.structures,
            self.variant.ignores,
        )
        kept = kept_cases(folder / "plausibility.tsv")
        pairs = [(i, str(folder / "labels" / f"{c}.nii")) for c, i in zip(cases, images, strict=True) if c in kept]
        mixed_in = ([image for image, _ in pairs], [label for _, label in pairs], self.variant.pseudo_label_fraction)
        torch.manual_seed(self.job.seed)
        job = replace(self.job, seed=self.job.seed + number * SEED_PER_ITERATION)
        network = load_segmenter(initial, job.device)
        return self._trained(folder.name, network, job, steps, self.variant.rate, mixed_in if pairs else ((), (), 0))

    def score(self, weights: Path) -> pd.DataFrame:
        """Return `case structure dice` of the test cases, on their own grids."""
        volumes, structures = self.plan.volumes, self.plan.config.task.structures
        values = self.plan.config.task.target(self.direction).label_values
        predictor = self._predictor(weights)
        single = single_structures(volumes.structures_of_source(self.direction))
        files = (volumes.of_tests(self.direction, name) for name in ("image.nii", "grid.json"))
        given = (volumes.scored(self.direction, what) for what in ("image", "label"))
        rows = []
        for case, image, grid, scan, reference in zip(volumes.test_cases(self.direction), *files, *given, strict=True):
            mask = mask_of(predictor.slabs(open_image(image)), grid, single)
            true = read_classes(case, reference, scan, mask.grid, values)
            rows += [
                (case, name, dice(mask.array == index, true == index)) for index, name in enumerate(structures, start=1)
            ]
        return pd.DataFrame(rows, columns=["case", "structure", "dice"])

    def _trained(
        self,
        stage: str,
        network: Segmenter,
        job: Job,
        steps: int,
        rate: float,
        mixed_in: tuple[Sequence[str], Sequence[str], float],
    ) -> Path:
        """Train on the variant's volumes, of which a fraction is `mixed_in`: images, labels, fraction."""
        settings = {**self.plan.networks.training_values(NETWORK), "learning_rate": rate}
        for key in ("ema_decay", "batch_size"):
            settings[key] = self._chosen(getattr(self.variant, key), settings[key])
        settings["patch_size"] = self._window()
        images, labels = self._volumes()
        shipped = settings["domain_randomization"]
        looks = Looks(
            self.variant,
            gin=self._chosen(self.variant.gin, shipped["gin"]),
            structure_contrast=self._chosen(self.variant.contrast, shipped["structure_contrast"]),
            source_fraction=mixed_in[2],
        )
        sampler = IdeaSampler(
            images,
            labels,
            **sampling_of(settings),
            domain_randomization=looks,
            source=mixed_in[:2],
            variant=self.variant,
        )
        chosen = {key: settings[key] for key in OPTIMIZATION}
        own = {"consistency": self.variant.consistency, "deep": self.variant.deep}
        trainer = IdeaTrainer(network, sampler, job, steps, **chosen, **own)
        weights, history = self.folder / f"{stage}.safetensors", self.folder / f"{stage}.tsv"
        files = [*images, *labels, *mixed_in[0], *mixed_in[1]]
        name = f"{self.folder.name} {stage}"
        with job.training(name, trainer, steps, settings, history, files, variant=repr(self.variant)):
            trainer.candidate(steps).save(weights)
        return weights

    def _volumes(self) -> tuple[list[str], list[str]]:
        """Return the images of the variant's training sets, each set as often as any other, and the label of each."""
        sets = []
        for translation in self.variant.volumes:
            way = Direction.of(self.direction)
            real = {"source": way.source, "target": way.target}
            name = real.get(translation, f"{self.direction}.{translation}")
            sets.append((self.plan.volumes.images(name, self.job.seed), self.plan.volumes.labels(name)))
        most = max(len(images) for images, _ in sets)
        repeated = [(files * (most // len(images)) for files in (images, labels)) for images, labels in sets]
        images, labels = (sum(files, start=[]) for files in zip(*repeated, strict=True))
        return images, labels

    def _source(self) -> tuple[Sequence[str], Sequence[str], float]:
        shipped = self.plan.config.branch("segmentation")["domain_randomization"]["source_fraction"]
        fraction = self._chosen(self.variant.source_fraction, shipped)
        images, labels = (self.plan.volumes.of_source(self.direction, name) for name in ("image.nii", "label.nii"))
        return images, labels, fraction

    def _predictor(self, weights: Path) -> Predictor:
        inference = self.plan.networks.inference()
        chosen = {key: inference[key] for key in ("overlap", "weighting", "batch_size")}
        chosen |= {"window": self._window(), "guided_filter_radius": self.variant.guided, "flips": False}
        return Predictor.load(weights, self.job.device, "auto", **chosen)

    def _window(self) -> list[int]:
        depth, *sides = self.plan.networks.patch_size(NETWORK)
        return [depth, *(round(self._chosen(self.variant.side, side)) for side in sides)]

    @staticmethod
    def _chosen(given: float | None, shipped: float) -> float:
        return shipped if given is None else given


def dice(mask: np.ndarray, true: np.ndarray) -> float:
    """Return the Dice of two masks; 0 where both are empty, which no labeled test case is."""
    size = mask.sum() + true.sum()
    return float(2 * (mask & true).sum() / size) if size else 0.0
