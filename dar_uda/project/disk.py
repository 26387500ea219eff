"""How much of the disk a run takes: volumes on the network grid, weights, and checkpoints while trainings run."""

from collections.abc import Collection, Mapping

from torch import nn

from dar_uda.data.splits import is_in
from dar_uda.plan.methods import Training, TrainingSet
from dar_uda.plan.plan import Plan
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.translation.translator import Translator

IMAGE, LABEL, WEIGHT = 2, 1, 4
"""Bytes of a voxel of an image, of a voxel of a label map, and of a weight."""
CHECKPOINT = 8
"""Copies of the weights in a checkpoint (weights, their average, two moments of the optimizer) and in the next one."""
Trainings = Mapping[TrainingSet, Collection[Training]]


def bytes_of_run(plan: Plan, trainings: Trainings, slices: Mapping[str, float], lanes: int) -> float:
    """Return about how many bytes a run takes at most; masks and figures, which are small, do not count.

    Args:
        slices: Mean number of slices on the network grid, by domain.
        lanes: Trainings at a time.
    """
    pixels = plan.config.task.grid["size"] ** 2
    voxels = {domain: number * pixels for domain, number in slices.items()}
    networks = [_segmenter(plan, training) for own in trainings.values() for training in own]
    each_seed = bytes_of_volumes(plan, trainings, voxels) + sum(networks) + _translator(plan, trainings)
    checkpoints = lanes * CHECKPOINT * max(networks)
    return bytes_of_cases(plan, trainings, voxels) + each_seed * len(plan.config.seeds) + checkpoints


def bytes_of_cases(plan: Plan, trainings: Trainings, voxels: Mapping[str, float]) -> float:
    """Return the bytes of all cases on the network grid: images, slices of the training cases, labels that train.

    Args:
        voxels: Mean number in a case, by domain.
    """
    labeled, total = {training_set.labeled for training_set in trainings}, 0.0
    for case in plan.cases.all:
        trains = is_in(case.split, "train")
        has_label = trains and bool(case.label) and case.domain in labeled
        total += voxels[case.domain] * (IMAGE + IMAGE * trains + LABEL * has_label)
    return total


def bytes_of_volumes(plan: Plan, trainings: Trainings, voxels: Mapping[str, float]) -> float:
    """Return the bytes of the synthetic volumes and of the masks for self-training, under one seed.

    Args:
        voxels: Mean number in a case, by domain.
    """
    adapted = [training_set for training_set in trainings if training_set.target]
    drawn = {(one.direction, one.translation) for one in adapted if one.translation}
    total = 0.0
    for direction, translation in drawn:
        cases = plan.volumes.source_cases(str(direction))
        total += len(cases) * plan.volumes.style_count(translation) * voxels[direction.source] * IMAGE
    for training_set in adapted:
        iterations = sum(training.iteration > 0 for training in trainings[training_set])
        cases = plan.volumes.target_cases(str(training_set.direction))
        total += iterations * len(cases) * voxels[training_set.direction.target] * LABEL
    return total


def _segmenter(plan: Plan, training: Training) -> int:
    """Return the bytes of the network of a training."""
    classes, channels = len(plan.config.task.structures) + 1, plan.config.branch("segmentation")["channels"]
    return _bytes(make_segmenter(classes, channels, **plan.config.values["networks"][training.network]))


def _translator(plan: Plan, trainings: Trainings) -> int:
    """Return the bytes of the translator, 0 where no training needs one."""
    names = ("width", "style_dim", "style_statistics")
    settings = {name: plan.config.branch("translation")[name] for name in names}
    return _bytes(Translator(**settings)) if any(one.translation for one in trainings) else 0


def _bytes(network: nn.Module) -> int:
    return sum(WEIGHT * values.numel() for values in network.state_dict().values())
