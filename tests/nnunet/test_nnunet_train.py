"""A training's working folder, with a fake nnU-Net: what a job that was killed leaves, the next one can use."""

import json
from pathlib import Path

import pytest
import torch

from dar_uda.nnunet import train

NNUNET = {"planner": "ExperimentPlanner", "epochs": 1, "iterations_per_epoch": 1}
TRAINED = "results/Dataset001_DarUda/DarUdaTrainer__nnUNetPlans__3d_fullres"


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Return a function that trains with a fake nnU-Net, which it is given; the folder of the checkpoints."""
    dataset, output = tmp_path / "dataset.json", tmp_path / "segmenter"
    dataset.write_text(json.dumps({"dataset": {}}))
    monkeypatch.setattr(train, "versions_of", str)

    def start(nnunet):
        monkeypatch.setattr(train, "run", nnunet)
        outputs = (output / name for name in ("model", "history.tsv", "usage.json"))
        train.train_nnunet(dataset, [], [], *outputs, NNUNET, 0, "code", "python", "cpu", 1)

    return start, output / "checkpoints"


def tool_of(command):
    return Path(command[1]).name


def finish(work):
    """Write what nnU-Net has at the end."""
    for name in (*train.KEPT, "fold_all/history.tsv", "fold_all/usage.json"):
        (work / TRAINED / name).parent.mkdir(parents=True, exist_ok=True)
        (work / TRAINED / name).write_text("{}")


def test_a_planning_that_was_killed_begins_anew(training):
    """nnU-Net keeps a fingerprint that it finds, also one cut short, and fails by it every time."""
    start, work = training
    fingerprint = work / "preprocessed" / "Dataset001_DarUda" / "dataset_fingerprint.json"

    def killed(*_):
        fingerprint.parent.mkdir(parents=True)
        fingerprint.write_text('{"spacings": [')
        raise KeyboardInterrupt

    def whole(command, *_):
        if tool_of(command) == "nnUNetv2_plan_and_preprocess":
            assert not fingerprint.exists()
        else:
            finish(work)

    with pytest.raises(KeyboardInterrupt):
        start(killed)
    start(whole)


@pytest.mark.parametrize("kept_bytes", [None, -100])
def test_a_checkpoint_that_was_cut_short_is_not_gone_on_from(training, caplog, kept_bytes):
    start, work = training
    latest = work / TRAINED / "fold_all" / "checkpoint_latest.pth"

    def killed(command, *_):
        if tool_of(command) == "nnUNetv2_train":
            latest.parent.mkdir(parents=True)
            torch.save({"network_weights": torch.zeros(100)}, latest)
            latest.write_bytes(latest.read_bytes()[:kept_bytes])
            raise KeyboardInterrupt

    def whole(command, *_):
        assert tool_of(command) == "nnUNetv2_train", "it is planned once"
        assert latest.exists() == (kept_bytes is None)
        finish(work)

    with pytest.raises(KeyboardInterrupt):
        start(killed)
    start(whole)
    assert ("checkpoint_latest.pth is damaged" in caplog.text) == (kept_bytes is not None)
