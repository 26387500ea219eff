from contextlib import nullcontext
from pathlib import Path

import pytest

from dar_uda.bundle.facts import check_facts
from dar_uda.plan.errors import PlanError
from dar_uda.plan.networks import Networks
from tests.bundle.tiny_bundle import FACTS
from tests.plan.configs import config_of
from tests.plan.plans import EXTRAS, plan_of


def networks_of(text="{}"):
    return Networks(config_of(text))


@pytest.mark.parametrize(
    ("depth", "training", "expected"),
    [
        (8, "dar_unet", 8),
        (8, "dar_unet-randomized-source_validation-self_training_2", 8),
        (8, "unet_2d", 8),
        (8, "isotropic_unet", 16),
        (16, "isotropic_unet-candidates", 16),
        (20, "isotropic_unet", 32),
    ],
)
def test_the_depth_of_an_isotropic_networks_patch_is_a_multiple_of_16(depth, training, expected):
    assert networks_of(f"segmentation: {{patch_size: [{depth}, 48, 64]}}").patch_size(training) == [expected, 48, 64]


@pytest.mark.parametrize(
    ("method", "patch", "count", "voxels"),
    [
        ("dar_uda", [32, 256, 256], 32, 2**26),
        ("dar_uda", [32, 256, 256], 33, 33 * 2**21),
        ("dar_uda", [20, 512, 512], 12, 60 * 2**20),
        ("isotropic_unet", [20, 512, 512], 12, 96 * 2**20),  # its depth is 32
    ],
)
def test_windows_that_no_bundle_may_ask_for_are_refused_before_the_run(method, patch, count, voxels):
    text = f"{{methods: {method}, segmentation: {{patch_size: {patch}}}, inference: {{batch_size: {count}}}}}"
    window = [voxels // count // 512**2, 512, 512] if patch[1] == 512 else patch
    bundle = {**FACTS, "patch_size": window, "inference": {**FACTS["inference"], "batch_size": count}}
    is_taken = voxels <= 2**26
    told = rf"^DAR-048: {count} windows of .* make {voxels} voxels in a batch, expected"
    with nullcontext() if is_taken else pytest.raises(PlanError, match=told):
        plan_of(text)
    told = f"DAR-521: bundle.json: .* makes {voxels} voxels in a batch"
    with nullcontext() if is_taken else pytest.raises(ValueError, match=told):
        check_facts(Path("bundle.json"), bundle)


def test_a_training_has_its_networks_switches():
    switches = {"anisotropic": True, "qam": True, "vam": False, "deep_supervision": False}
    assert networks_of().switches("qam_unet-randomized") == switches
    assert networks_of("networks: {qam_unet: {vam: true}}").switches("qam_unet") == {**switches, "vam": True}


def test_training_values_are_the_branch_with_the_networks_patch_without_the_keys_left_out():
    networks = networks_of()
    values = networks.training_values("isotropic_unet")
    branch = {key: value for key, value in networks.config.branch("segmentation").items() if key != "steps_2d"}
    assert values == {**branch, "patch_size": [16, 64, 64]}
    left_out = networks.training_values("isotropic_unet", "domain_randomization", "self_training", "channels")
    assert set(values) - set(left_out) == {"domain_randomization", "self_training", "channels"}
    assert (left_out["patch_size"], left_out["steps"]) == ([16, 64, 64], 180)


@pytest.mark.parametrize(
    ("training", "steps"), [("dar_unet-randomized", 9), ("unet_2d", 11), ("unet_2d_multilevel", 11), ("sifa", 9)]
)
def test_2d_u_nets_have_steps_of_their_own(training, steps):
    values = networks_of("segmentation: {steps: 9, steps_2d: 11}").training_values(training)
    assert values["steps"] == steps and "steps_2d" not in values


def test_the_number_of_iterations_is_not_a_value_of_one_of_them():
    values = {"steps": 120, "pseudo_label_fraction": 0.5, "learning_rate": 5e-3}
    for count in (1, 2):
        text = f"segmentation: {{self_training: {{iterations: {count}, steps: 120}}}}"
        assert networks_of(text).self_training() == values


def test_the_size_of_chunks_is_not_a_value_of_the_prediction():
    networks = networks_of("inference: {chunk_size: 7}")
    assert (
        networks.inference()
        == networks_of().inference()
        == {
            "overlap": 0.5,
            "weighting": "constant",
            "batch_size": 4,
            "guided_filter_radius": 2,
            "test_time_augmentation": False,
            "keep_largest_component": True,
            "save_probabilities": False,
            "flips": False,
        }
    )


def test_networks_that_saw_flipped_patches_are_predicted_with_flips():
    published = networks_of("segmentation: {augmentation: published}")
    assert published.inference()["flips"] and published.predictor()["flips"]
    assert set(published.predictor()) == {"overlap", "weighting", "batch_size", "guided_filter_radius", "flips"}


def test_randomization_is_that_of_the_trainings_that_have_it():
    values = {"gin": 0.5, "structure_contrast": 0.1, "source_fraction": 0.25}
    networks = networks_of(EXTRAS)
    assert (
        networks.domain_randomization("dar_unet-randomized")
        == networks.domain_randomization("x-randomized-target_oracle")
        == values
    )
    assert networks.domain_randomization("dar_unet") is None
    assert networks_of().domain_randomization("dar_unet-randomized") is None
