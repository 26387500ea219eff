"""How much of the disk a run takes, by hand."""

import pytest
from torch import nn

from dar_uda.project import disk
from dar_uda.project.estimate import trainings_of
from tests.plan.plans import plan_of

RUN = (
    "{methods: [source_only, dar_uda], directions: [ct-to-mr], seeds: [0, 1], styles: {clusters: 3}, "
    "segmentation: {self_training: {iterations: 2}}}"
)
VOXELS = {"ct": 10.0, "mr": 100.0}


@pytest.fixture
def plan():
    """Of two labeled CT and one without label, and of four MR, two of them to test."""
    return plan_of(RUN)


def test_cases_have_an_image_slices_if_they_train_and_a_label_if_it_is_trained_on(plan):
    # Bytes per voxel: 2 + 2 + 1 of two CT, 2 + 2 of the third and of two MR, 2 of two MR.
    assert disk.bytes_of_cases(plan, trainings_of(plan), VOXELS) == 2 * 50 + 40 + 2 * 400 + 2 * 200


def test_volumes_are_those_of_all_styles_and_the_masks_of_each_iteration(plan):
    # Two labeled CT in three styles, two bytes per voxel; masks of two MR in two iterations, one byte.
    assert disk.bytes_of_volumes(plan, trainings_of(plan), VOXELS) == 2 * 3 * 10 * 2 + 2 * 2 * 100


def test_a_run_has_the_networks_of_all_trainings_and_two_checkpoints_of_each_at_a_time(plan, monkeypatch):
    assert disk._bytes(nn.Linear(3, 2)) == 4 * (3 * 2 + 2)
    monkeypatch.setattr(disk, "_bytes", lambda _: 1000)
    pixels = plan.config.task.grid["size"] ** 2
    slices = {domain: voxels / pixels for domain, voxels in VOXELS.items()}
    # By seed 520 of volumes, a translator, source_only, dar_uda before and in two iterations; two trainings at a time.
    found = disk.bytes_of_run(plan, trainings_of(plan), slices, lanes=2)
    assert found == pytest.approx(1340 + 2 * (520 + 5 * 1000) + 2 * 8 * 1000)


def test_without_adaptation_nothing_is_drawn_and_no_translator_kept(monkeypatch):
    plan = plan_of("{methods: [source_only], directions: [ct-to-mr]}")
    monkeypatch.setattr(disk, "_bytes", lambda _: 1000)
    assert disk.bytes_of_volumes(plan, trainings_of(plan), VOXELS) == 0
    slices = {"ct": 0.0, "mr": 0.0}
    assert disk.bytes_of_run(plan, trainings_of(plan), slices, lanes=1) == 1000 + 8 * 1000
