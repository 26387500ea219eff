"""One case of each domain on the planned grid, and a few steps of training on them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dar_uda.data.layouts.case import Case
from dar_uda.plan.plan import Plan
from dar_uda.preprocessing.preprocess import preprocess_image, preprocess_label
from dar_uda.preprocessing.region import find_region
from dar_uda.preprocessing.settings import Preprocessing
from dar_uda.preprocessing.slices import extract_slices
from dar_uda.project.estimate import Pace
from dar_uda.project.machine import Machine
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.train import OPTIMIZATION, SegmenterTrainer, sampling_of
from dar_uda.training.job import Job
from dar_uda.training.loop import Trainer
from dar_uda.translation.slices import open_samplers
from dar_uda.translation.train import SETTINGS, TranslatorTrainer

WARM_UP, TIMED = 2, 5
"""Steps before the clock starts, and those that it times."""


@dataclass(frozen=True)
class Example:
    """A case on the planned grid.

    Attributes:
        label: None where it has none.
        seconds: What bringing it there took.
    """

    case: Case
    image: Path
    label: Path | None
    seconds: float


def bring_to_grid(case: Case, plan: Plan, folder: Path) -> Example:
    """Write a case, and its label, on the grid of a plan, as the workflow does."""
    start, task = time.monotonic(), plan.config.task
    domain, files = task.domains[case.domain], folder / case.domain
    values = {key: value for key, value in task.grid.items() if key != "region_margin"}
    settings = Preprocessing(**values, intensity=domain.intensity)
    image, grid = files / "image.nii", files / "grid.json"
    preprocess_image(case.name, case.image, image, grid, settings, _region(plan, folder))
    label = files / "label.nii" if case.label else None
    if case.label:
        preprocess_label(case.name, case.label, case.image, grid, files / "label.nii", domain.label_values)
    return Example(case, image, label, time.monotonic() - start)


def _region(plan: Plan, folder: Path) -> Path | None:
    """Return the region to which the grid is cut, found once in all labels of the source."""
    direction, task = plan.config.directions[0], plan.config.task
    margin, region = task.grid.get("region_margin"), folder / "region.json"
    if margin is None:
        return None
    if not region.exists():
        cases = plan.volumes.source_cases(str(direction))
        scans, labels = (plan.volumes.files_of_source(str(direction), what) for what in ("image", "label"))
        find_region(cases, scans, labels, region, task.domains[direction.source].label_values, margin, None)
    return region


def probed_pace(plan: Plan, examples: Sequence[Example], folder: Path, machine: Machine) -> Pace:
    """Return seconds per step, measured: a few steps of the translator and of the segmenter on two cases.

    Args:
        examples: A labeled case of the source, and one of the target.
        folder: For temporary files.
    """
    config, source = plan.config, examples[0]
    threads = machine.cores if machine.gpu else max(1, machine.cores // 2)
    device = "cuda" if machine.gpu else "cpu"
    job = Job.prepare(0, "", threads, device, config.values["precision"], config.values["activation_checkpointing"])
    stacks = []
    for example in examples:
        stacks.append(folder / f"{example.case.domain}.npy")
        extract_slices([example.image], [example.case.name], stacks[-1], folder / f"{example.case.domain}.tsv")
    translation = config.branch("translation")
    samplers, _ = open_samplers(stacks, translation)
    translator = TranslatorTrainer(samplers, job, **{key: translation[key] for key in SETTINGS})
    segmentation = config.branch("segmentation")
    sampler = PatchSampler([source.image], [source.label] if source.label else None, **sampling_of(segmentation))
    network = make_segmenter(
        len(config.task.structures) + 1, segmentation["channels"], **config.values["networks"]["dar_unet"]
    )
    settings = {key: segmentation[key] for key in OPTIMIZATION}
    segmenter = SegmenterTrainer(network, sampler, job, segmentation["steps"], **settings)
    preprocessing = sum(example.seconds for example in examples) / len(examples)
    return Pace(
        _seconds_per_step(translator, job.device),
        _seconds_per_step(segmenter, job.device),
        preprocessing,
        f"{TIMED} trial steps on this machine ({threads} threads)",
    )


def _seconds_per_step(trainer: Trainer, device: torch.device) -> float:
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for step in range(WARM_UP):
        trainer.update(step)
    wait()
    start = time.monotonic()
    for step in range(WARM_UP, WARM_UP + TIMED):
        trainer.update(step)
    wait()
    seconds = (time.monotonic() - start) / TIMED
    trainer.close()
    return seconds
