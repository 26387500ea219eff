import json
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from dar_uda.data.grid import Grid, write_grids
from dar_uda.data.network_volume import open_image, write_image, write_label
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.domain_randomization import DomainRandomization
from dar_uda.segmentation.networks import load_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.predict import predict_cases
from dar_uda.segmentation.sliding_window import predict_slabs
from dar_uda.segmentation.train import (
    STATISTICS_BATCHES,
    SegmenterTrainer,
    cosine,
    steps_to_finish_after,
    train_segmenter,
)
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.job import Job
from dar_uda.training.randomness import generator_for

SETTINGS = {
    "steps": 6,
    "batch_size": 2,
    "patch_size": [4, 32, 32],
    "foreground_fraction": 0.5,
    "scale": 0.1,
    "augmentation": "published",
    "ema_decay": 0.0,
    "channels": [4, 4, 8, 8, 8],
    "learning_rate": 5e-3,
    "final_learning_rate": 1e-5,
    "weight_decay": 1e-4,
    "focal_weight": 10.0,
    "checkpoint_every": 2,
}
CHANGES = {
    "focal_weight": 5.0,
    "steps": 8,
    "seed": 1,
    "patch_size": [4, 16, 32],
    "scale": 0.3,
    "augmentation": "upright",
}
JOB = Job(0, "c", torch.device("cpu"), torch.float32)
pytestmark = pytest.mark.usefixtures("few_statistics")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    label = np.zeros((8, 32, 32), np.uint8)
    label[2:6, 8:24, 10:22] = 1
    write_label(folder / "label.nii", label, np.eye(4))
    write_image(folder / "image.nii", np.where(label == 1, 0.8, 0.2).astype(np.float32), np.eye(4))
    return [folder / "image.nii"], [folder / "label.nii"]


def train(case, folder, domain_randomization=None, candidates=1, **changes):
    train_segmenter(
        *case,
        weights=folder / "weights.safetensors",
        history=folder / "history.tsv",
        usage=folder / "usage.json",
        job=replace(JOB, **{key: changes.pop(key) for key in ("seed", "activation_checkpointing") if key in changes}),
        classes=2,
        network={},
        segmentation={**SETTINGS, **changes},
        domain_randomization=domain_randomization,
        candidates=candidates,
    )
    weights = folder / "weights.safetensors"
    return [path.read_bytes() for path in sorted(weights.iterdir())] if candidates > 1 else weights.read_bytes()


class Killed(Exception):
    pass


def kill_after_save(monkeypatch, saves):
    """Make the training die right after its checkpoint number `saves`; return the steps at which it saves."""
    save, count = CheckpointFolder.save, []

    def save_and_die(self, state):
        save(self, state)
        count.append(state["step"])
        if len(count) == saves:
            raise Killed

    monkeypatch.setattr(CheckpointFolder, "save", save_and_die)
    return count


def test_cosine_goes_from_first_to_last():
    assert cosine(1.0, 0.0, 0.0) == 1.0 and cosine(1.0, 0.0, 1.0) == 0.0
    assert cosine(3.0, 1.0, 0.5) == pytest.approx(2.0)


def test_training_learns_and_writes_whole_outputs(case, tmp_path):
    train(case, tmp_path, steps=30)
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    assert list(history["step"]) == list(range(1, 31))
    assert history["main_output"].tail(5).mean() < 0.5 * history["main_output"].head(5).mean()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.tsv", "usage.json", "weights.safetensors"]
    taken = json.loads((tmp_path / "usage.json").read_text())
    network = load_segmenter(tmp_path / "weights.safetensors", torch.device("cpu"))
    assert taken["parameters"] == sum(p.numel() for p in network.parameters())
    assert taken["seconds_per_step"] > 0 and 100 < taken["peak_mib"] < 10_000 and taken["device"] == "cpu"


def test_same_seed_same_weights_and_another_seed_others(case, tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    assert train(case, folders[0]) == train(case, folders[1]) != train(case, folders[2], seed=1)


@pytest.mark.parametrize(
    "extras",
    [{}, {"ema_decay": 0.9, "domain_randomization": {"gin": 0.5, "structure_contrast": 0.5, "source_fraction": 0}}],
)
def test_a_killed_training_resumes_to_identical_weights(case, tmp_path, monkeypatch, extras):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    expected = train(case, whole, **extras)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after_save(patch, 2)
        train(case, killed, **extras)
    assert (killed / "checkpoints" / "latest.pt").exists() and not (killed / "weights.safetensors").exists()
    assert train(case, killed, **extras) == expected
    assert not (killed / "checkpoints").exists()


@pytest.fixture(scope="module")
def killed(case, tmp_path_factory):
    """The folder of a training that was killed after its second step."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        kill_after_save(patch, 1)
        train(case, folder)
    return folder


@pytest.mark.parametrize(
    ("change", "saved"),
    [({}, 4), *(({key: value}, 2) for key, value in CHANGES.items())],
)
def test_a_changed_setting_never_resumes(case, killed, tmp_path, monkeypatch, change, saved):
    """The next checkpoint is that of step 4 where the training goes on, that of step 2 where it starts again."""
    folder = shutil.copytree(killed, tmp_path / "killed")
    steps = kill_after_save(monkeypatch, 1)
    with pytest.raises(Killed):
        train(case, folder, **change)
    assert steps == [saved]


def test_the_averaged_network_is_kept_and_its_statistics_are_its_own(case):
    sampler = PatchSampler(*case, SETTINGS["patch_size"], 2, 0.5)
    network = DARUNet(2, SETTINGS["channels"])
    rates = {"learning_rate": 5e-3, "final_learning_rate": 1e-5, "weight_decay": 1e-4, "focal_weight": 10.0}
    trainer = SegmenterTrainer(network, sampler, JOB, steps=3, ema_decay=0.999, **rates)
    expected = {name: value.clone() for name, value in network.named_parameters()}
    for step in range(3):
        trainer.update(step)
        decay = (1 + step) / (10 + step)  # below 0.999
        for name, value in network.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * value.detach()
    finished = trainer.candidate(3)
    for name, value in finished.named_parameters():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-5)
    norms = [module for module in finished.modules() if isinstance(module, torch.nn.BatchNorm3d)]
    assert all(int(norm.num_batches_tracked) == 2 for norm in norms)
    assert STATISTICS_BATCHES == 20


def test_statistics_are_means_over_patches_that_are_drawn_in_float32(case):
    """Random convolutions of patches would be in bfloat16 within the autocast of the network."""
    domain_randomization = DomainRandomization(gin=1.0, structure_contrast=0.0, source_fraction=0.0)
    sampler = PatchSampler(*case, SETTINGS["patch_size"], 2, 0.5, domain_randomization=domain_randomization)
    rates = {"learning_rate": 5e-3, "final_learning_rate": 1e-5, "weight_decay": 1e-4, "focal_weight": 10.0}
    network, job = DARUNet(2, SETTINGS["channels"]), replace(JOB, dtype=torch.bfloat16)
    trainer = SegmenterTrainer(network, sampler, job, steps=1, ema_decay=0.0, **rates)
    trainer.update(0)
    seen = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.register_forward_pre_hook(lambda _, inputs, name=name: seen.setdefault(name, []).append(inputs[0]))
    for batch in range(2):
        images, _ = sampler.draw(generator_for(job.seed, "statistics", batch), job.device)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            network(images)
    finished = trainer.candidate(1).state_dict()
    for name, inputs in seen.items():
        means, variances = ([getattr(x.double(), what)() for x in inputs] for what in ("mean", "var"))
        assert float(finished[f"{name}.running_mean"]) == pytest.approx(float(np.mean(means)), rel=1e-4)
        assert float(finished[f"{name}.running_var"]) == pytest.approx(float(np.mean(variances)), rel=1e-4)
    assert len(seen) >= 4


@pytest.mark.parametrize(("steps", "count", "expected"), [(10, 1, [10]), (10, 5, [6, 7, 8, 9, 10]), (8, 2, [6, 8])])
def test_candidates_lie_evenly_in_the_second_half(steps, count, expected):
    assert steps_to_finish_after(steps, count) == expected


def test_candidates_survive_a_kill_and_the_last_is_what_a_training_without_them_gives(case, tmp_path, monkeypatch):
    alone, whole, killed = tmp_path / "alone", tmp_path / "whole", tmp_path / "killed"
    for folder in (alone, whole, killed):
        folder.mkdir()
    last, candidates = train(case, alone), train(case, whole, candidates=3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after_save(patch, 2)
        train(case, killed, candidates=3)
    assert train(case, killed, candidates=3) == candidates
    assert len(set(candidates)) == 3 and candidates[-1] == last


def test_a_second_writer_is_refused(tmp_path):
    with CheckpointFolder(tmp_path / "checkpoints", "x"), pytest.raises(RuntimeError, match="another process"):
        CheckpointFolder(tmp_path / "checkpoints", "x").__enter__()


def test_weights_metadata_names_the_network(case, tmp_path):
    train(case, tmp_path, steps=1)
    header = (tmp_path / "weights.safetensors").read_bytes()[8:2000]
    assert b'"__metadata__"' in header
    arguments = load_segmenter(tmp_path / "weights.safetensors", torch.device("cpu")).arguments
    assert json.loads(json.dumps(arguments))["channels"] == [4, 4, 8, 8, 8]


@pytest.mark.parametrize("shape", [(1, 20, 24), (2, 32, 32), (9, 20, 40)])
def test_one_slice_a_volume_smaller_than_a_patch_and_an_organ_of_one_voxel_train_and_predict(tmp_path, shape):
    label = np.zeros(shape, np.uint8)
    label[0, 3, 5] = 1
    write_label(tmp_path / "label.nii", label, np.eye(4))
    write_image(tmp_path / "image.nii", np.random.default_rng(0).random(shape, np.float32), np.eye(4))
    train(([tmp_path / "image.nii"], [tmp_path / "label.nii"]), tmp_path, steps=2, foreground_fraction=1.0)
    network = load_segmenter(tmp_path / "weights.safetensors", torch.device("cpu"))
    slabs = predict_slabs(
        network, open_image(tmp_path / "image.nii"), [4, 32, 32], 0.5, "constant", 1, torch.device("cpu")
    )
    probabilities = np.concatenate(list(slabs), axis=1)
    assert probabilities.shape == (2, *shape)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_kept_probabilities_leave_the_masks_as_they_are_and_their_argmax_is_the_mask(case, tmp_path):
    train(case, tmp_path)
    write_grids(tmp_path / "grid.json", Grid((30, 32, 8), np.eye(4)), Grid((32, 32, 8), np.eye(4)))

    def predict(keep):
        folder = tmp_path / str(keep)
        predict_cases(
            ["a"],
            tmp_path / "weights.safetensors",
            case[0],
            [tmp_path / "grid.json"],
            source_structures=None,
            predictions=folder / "masks",
            tta_inconsistency=folder / "tta_inconsistency.tsv",
            structures=["box"],
            window=[4, 32, 32],
            overlap=0.5,
            weighting="constant",
            guided_filter_radius=0,
            flips=True,
            batch_size=1,
            test_time_augmentation=False,
            keep_largest_component=False,
            save_probabilities=keep,
            device="cpu",
            precision="auto",
            threads=1,
        )
        return folder / "masks"

    without, kept = predict(False), predict(True)
    assert [path.name for path in without.iterdir()] == ["a.nii.gz"]
    mask = np.asanyarray(nib.load(kept / "a.nii.gz").dataobj)
    assert np.array_equal(mask, np.asanyarray(nib.load(without / "a.nii.gz").dataobj))
    probabilities = nib.load(kept / "probabilities" / "a.nii.gz").get_fdata()
    assert np.array_equal(probabilities.argmax(axis=-1), mask)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1.5 / 255)
