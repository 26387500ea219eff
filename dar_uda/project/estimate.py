"""How long a run takes on this machine, and how much memory and disk: from its steps and seconds per step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dar_uda.jobs.progress import duration
from dar_uda.plan.methods import Training, TrainingSet
from dar_uda.plan.plan import Plan
from dar_uda.plan.task import Direction
from dar_uda.project.disk import bytes_of_run
from dar_uda.project.machine import Machine
from dar_uda.project.patches import memory_of_training

GIB = 2**30
SECONDS_PER_JOB = 4.0
"""To start a job and import torch."""
SECONDS_PER_MASK = 7.1
"""Of one scan on the grid of the abdomen's `laptop`, 112 x 112 x 75: `dar-uda predict` in docs/performance.md."""
SELF_TRAINING = 430 / 250 / (967 / 650)
"""Seconds of a step of self-training by those of a step before it: `laptop`, abdomen, docs/performance.md."""


@dataclass(frozen=True)
class Pace:
    """Seconds that things take, and where the numbers come from."""

    translator_step: float
    segmenter_step: float
    preprocessing: float
    origin: str


def documented_pace(plan: Plan, machine: Machine) -> Pace:
    """Return the pace of the measurements in docs/performance.md, scaled by the voxels of a step and the channels."""
    config = plan.config
    segmentation, translation = config.branch("segmentation"), config.branch("translation")
    voxels = segmentation["batch_size"] * _product(segmentation["patch_size"])
    size = config.task.grid["size"]
    pixels = translation["batch_size"] * min(translation["crop_size"] or size, size) ** 2
    if machine.gpu:
        origin = f"docs/performance.md, of an H200; this card is {machine.gpu}: --probe measures it"
        return Pace(0.0259 * pixels / (4 * 256**2), 0.0381 * voxels / (2 * 16 * 192**2), 5.0, origin)
    width, channels = translation["width"] / 16, segmentation["channels"][0] / 8
    origin = "docs/performance.md, `laptop` on one core for a training: --probe measures this machine"
    return Pace(0.61 * width * pixels / (2 * 112**2), 1.49 * channels * voxels / (2 * 8 * 112**2), 5.0, origin)


def estimate_text(plan: Plan, pace: Pace, machine: Machine, slices: Mapping[str, float]) -> str:
    """Return time, memory and disk of a run in words.

    Args:
        slices: Mean number of slices on the network grid, by domain.
    """
    seconds = _seconds(plan, pace, machine, slices)
    memory = memory_of_training(plan.config.branch("segmentation"), machine)
    lanes = 1 if machine.gpu else min(2, machine.cores)
    disk = bytes_of_run(plan, trainings_of(plan), slices, lanes) / GIB
    where = "of the card for a training" if machine.gpu else f"for {lanes} trainings at a time"
    return (
        f"Estimate: {duration(seconds)} (hours:minutes:seconds), {lanes * memory / 1024:.1f} GiB of memory {where}, "
        f"{disk:.2f} GiB of disk; seconds per step: translator {pace.translator_step:.3g}, "
        f"segmenter {pace.segmenter_step:.3g}, of {pace.origin}."
    )


def _seconds(plan: Plan, pace: Pace, machine: Machine, slices: Mapping[str, float]) -> float:
    """Return the longer of the longest chain of jobs and all work shared by the trainings that run side by side."""
    lanes = 1 if machine.gpu else min(2, machine.cores)
    config = plan.config
    masks = _mask_seconds(plan, slices)
    before = len(plan.cases.all) * (pace.preprocessing + 2 * SECONDS_PER_JOB) / machine.cores
    chains: list[tuple[bool, float]] = []
    translator = (config.branch("translation")["steps"] or 0) * pace.translator_step
    for training_set, trainings in trainings_of(plan).items():
        own = sum(_steps(plan, training) * pace.segmenter_step for training in trainings)
        own += masks * (1 + sum(training.iteration > 0 for training in trainings))
        synthetic = training_set.target is not None
        drawn = len(plan.cases.of(training_set.labeled, "train", labeled=True)) if synthetic else 0
        chains.append((synthetic, own + drawn * (SECONDS_PER_JOB + 2.0)))
    longest = max(seconds + translator * synthetic for synthetic, seconds in chains)
    work = sum(seconds for _, seconds in chains) + translator * any(synthetic for synthetic, _ in chains)
    return before + max(longest, work / lanes) * len(config.seeds)


def trainings_of(plan: Plan) -> dict[TrainingSet, set[Training]]:
    """Return the trainings of the summary's methods that have their cases, by training set."""
    made: dict[TrainingSet, set[Training]] = {}
    for row in plan.summary.masked:
        method = plan.methods[row.method]
        training_set = method.training_set(Direction.of(row.direction))
        made.setdefault(training_set, set()).update(method.trainings)
    return made


def _steps(plan: Plan, training: Training) -> float:
    """Return the steps of a training, those of self-training counted by what they take."""
    segmentation = plan.config.branch("segmentation")
    if training.iteration:
        return float(segmentation["self_training"]["steps"]) * SELF_TRAINING
    return float(segmentation["steps"])


def _mask_seconds(plan: Plan, slices: Mapping[str, float]) -> float:
    direction = plan.config.directions[0]
    voxels = slices[direction.target] * plan.config.task.grid["size"] ** 2
    return float(SECONDS_PER_MASK * len(plan.volumes.test_cases(str(direction))) * voxels / (112**2 * 75))


def _product(numbers: Sequence[int]) -> int:
    total = 1
    for number in numbers:
        total *= number
    return total
