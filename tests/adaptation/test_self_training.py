"""Self-training iterations, for real on tiny volumes: which masks it learns from, and from where it goes on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dar_uda.adaptation.pseudo_labels import is_plausible, label_target, volumes_of
from dar_uda.adaptation.self_training import kept_cases, train_on_pseudo_labels
from dar_uda.data.network_volume import open_affine, open_label, write_image, write_label
from dar_uda.preprocessing.structures import measure_structures
from dar_uda.segmentation.networks import load_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.train import train_segmenter
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.job import Job

AFFINE = np.diag([2.0, 2.0, 6.0, 1.0])
pytestmark = pytest.mark.usefixtures("few_statistics")
JOB = Job(0, "c", torch.device("cpu"), torch.float32)
SELF_TRAINING = {"pseudo_label_fraction": 0.5, "learning_rate": 5e-3, "steps": 6}
RANDOMIZATION = {"gin": 0.2, "structure_contrast": 0.3, "source_fraction": 0.25}
SETTINGS = {
    "batch_size": 2,
    "patch_size": [4, 32, 32],
    "foreground_fraction": 0.5,
    "scale": 0.1,
    "augmentation": "published",
    "ema_decay": 0.0,
    "learning_rate": 5e-3,
    "final_learning_rate": 1e-4,
    "weight_decay": 0.0,
    "focal_weight": 10.0,
    "checkpoint_every": 2,
}


@pytest.fixture(scope="module")
def first_training(tmp_path_factory):
    """A source case, bright on dark, a target case a little darker, an empty one, and a segmenter of the source."""
    folder = tmp_path_factory.mktemp("first")
    label = np.zeros((8, 32, 32), np.uint8)
    label[2:6, 8:24, 10:22] = 1
    write_label(folder / "label.nii", label, AFFINE)
    for name, bright in (("source", 0.8), ("target", 0.7), ("empty", 0.2)):
        write_image(folder / f"{name}.nii", np.where(label == 1, bright, 0.2).astype(np.float32), AFFINE)
    train_segmenter(
        [folder / "source.nii"], [folder / "label.nii"], folder / "weights.safetensors", folder / "history.tsv",
        folder / "usage.json", JOB, classes=2, network={},
        segmentation={**SETTINGS, "channels": [8] * 5, "steps": 40},
    )  # fmt: skip
    measure_structures([folder / "label.nii"], ["organ"], folder / "structures.tsv")
    label_target(
        ["t1", "t2"], [folder / "target.nii", folder / "empty.nii"], folder / "weights.safetensors",
        folder / "structures.tsv", folder / "labels", folder / "plausibility.tsv", ["organ"],
        window=(4, 32, 32), overlap=0.5, weighting="constant", batch_size=1, guided_filter_radius=0, flips=True,
        device="cpu", precision="auto", threads=1,
    )  # fmt: skip
    return folder


def iterate(first, folder, job=JOB, iteration=1, initial=None, **changes):
    """Train an iteration on the masks in folder `first`, from the weights there or in `initial`; return its weights."""
    train_on_pseudo_labels(
        (initial or first) / "weights.safetensors", [first / "source.nii"], [first / "label.nii"],
        ["t1", "t2"], [first / "target.nii", first / "empty.nii"], first / "labels", first / "plausibility.tsv",
        folder / "weights.safetensors", folder / "history.tsv", job, SETTINGS, {**SELF_TRAINING, **changes},
        RANDOMIZATION, iteration,
    )  # fmt: skip
    return (folder / "weights.safetensors").read_bytes()


def test_volumes_are_compared_with_the_sources():
    thin, thick, wide = (np.diag([width, width, depth, 1.0]) for width, depth in ((2, 5), (2, 10), (3, 5)))
    classes = np.array([[0, 1, 1], [3, 3, 3]], np.uint8)
    assert volumes_of(classes, 3, thin) == pytest.approx([10, 0, 15])
    assert volumes_of(classes, 3, thick) == pytest.approx([20, 0, 30])
    assert volumes_of(classes.repeat(2, 0), 3, thin) == pytest.approx([20, 0, 30])
    assert volumes_of(classes, 3, wide) == pytest.approx([10, 0, 15]), "of a wider body, where the grid is fitted to it"
    assert is_plausible(np.array([0.2, 1.0, 1.8]))
    assert not is_plausible(np.array([0.19, 1.0])) and not is_plausible(np.array([1.0, 1.81]))


def test_a_mask_of_implausible_volume_is_written_and_not_kept(first_training):
    found = open_label(first_training / "labels" / "t1.nii")
    expected = open_label(first_training / "label.nii")
    dice = 2 * ((found == 1) & (expected == 1)).sum() / ((found == 1).sum() + (expected == 1).sum())
    assert dice > 0.8
    np.testing.assert_array_equal(open_affine(first_training / "labels" / "t1.nii"), AFFINE)
    table = pd.read_csv(first_training / "plausibility.tsv", sep="\t")
    assert table["kept"].tolist() == [True, False]
    assert table["organ"][0] == pytest.approx((found == 1).sum() / (expected == 1).sum(), abs=1e-3)
    assert kept_cases(first_training / "plausibility.tsv") == {"t1"}


@pytest.mark.parametrize("name", ["NA", "nan", "None", "null", "True", "1e5", "007", "inf"])
def test_a_case_keeps_a_name_that_looks_like_a_value(tmp_path, name):
    (tmp_path / "plausibility.tsv").write_text(f"case\tkept\torgan\n{name}\tTrue\t1.000\nx\tFalse\t0.100\n")
    assert kept_cases(tmp_path / "plausibility.tsv") == {name}


def test_tensorboard_shows_the_patches_and_changes_no_bit(first_training, tmp_path):
    of_run = tmp_path / "seed-0" / "segmenters"
    for folder in (of_run / "plain", of_run / "watched"):
        folder.mkdir(parents=True)
    plain = iterate(first_training, of_run / "plain")
    assert iterate(first_training, of_run / "watched", replace(JOB, tensorboard=True)) == plain
    events = EventAccumulator(str(tmp_path / "tensorboard" / "seed-0" / "segmenters" / "watched")).Reload()
    shown = [(one.step, one.width, one.height) for one in events.Images("patches")]
    assert shown == [(step, 2 * 32, 3 * 32) for step in (2, 4, 6)]


def parameters_of(folder):
    return torch.cat([p.flatten() for p in load_segmenter(folder / "weights.safetensors", JOB.device).parameters()])


def test_the_first_iteration_goes_on_from_the_first_training(first_training, tmp_path):
    iterate(first_training, tmp_path, steps=1, learning_rate=1e-12)
    torch.testing.assert_close(parameters_of(tmp_path), parameters_of(first_training), rtol=0, atol=1e-9)


def test_the_second_iteration_goes_on_from_the_first_with_other_patches(first_training, tmp_path, monkeypatch):
    drawn, draw = [], PatchSampler.draw

    def draw_and_keep(*arguments):
        drawn.append(draw(*arguments))
        return drawn[-1]

    monkeypatch.setattr(PatchSampler, "draw", draw_and_keep)
    one, two = tmp_path / "one", tmp_path / "two"
    iterate(first_training, one, steps=1)
    of_one = [images for images, _ in drawn]
    iterate(first_training, two, iteration=2, initial=one, steps=1, learning_rate=1e-12)
    of_two = [images for images, _ in drawn[len(of_one) :]]
    assert len(of_one) == len(of_two) == 1 + 2, "of a step and of the statistics"
    assert not any(torch.equal(one_batch, other) for one_batch in of_one for other in of_two)
    torch.testing.assert_close(parameters_of(two), parameters_of(one), rtol=0, atol=1e-9)
    assert (parameters_of(two) - parameters_of(first_training)).abs().max() > 1e-3


def test_a_killed_iteration_resumes_to_the_same_weights(first_training, tmp_path, monkeypatch):
    whole = iterate(first_training, tmp_path / "whole")

    class Killed(Exception):
        pass

    save = CheckpointFolder.save

    def save_and_die(self, state):
        save(self, state)
        raise Killed

    monkeypatch.setattr(CheckpointFolder, "save", save_and_die)
    with pytest.raises(Killed):
        iterate(first_training, tmp_path / "killed")
    monkeypatch.setattr(CheckpointFolder, "save", save)
    assert iterate(first_training, tmp_path / "killed") == whole


def test_pseudo_labels_are_learned_from_and_those_left_out_are_not(first_training, tmp_path):
    with_target = iterate(first_training, tmp_path / "with", pseudo_label_fraction=1.0)
    table = pd.read_csv(first_training / "plausibility.tsv", sep="\t")
    none = tmp_path / "first"
    none.mkdir()
    for path in first_training.iterdir():
        (none / path.name).symlink_to(path)
    (none / "plausibility.tsv").unlink()
    table.assign(kept=False).to_csv(none / "plausibility.tsv", sep="\t", index=False)
    assert iterate(none, tmp_path / "without", pseudo_label_fraction=1.0) != with_target


def test_a_structure_that_the_source_lacks_drops_no_case(first_training, tmp_path):
    measure_structures([first_training / "label.nii"], ["organ", "nowhere"], tmp_path / "structures.tsv")
    label_target(
        ["t1"], [first_training / "target.nii"], first_training / "weights.safetensors", tmp_path / "structures.tsv",
        tmp_path / "labels", tmp_path / "plausibility.tsv", ["organ", "nowhere"],
        window=(4, 32, 32), overlap=0.5, weighting="constant", batch_size=1, guided_filter_radius=0, flips=True,
        device="cpu", precision="auto", threads=1,
    )  # fmt: skip
    row = pd.read_csv(tmp_path / "plausibility.tsv", sep="\t").loc[0]
    assert row["kept"] and row["nowhere"] == 1
