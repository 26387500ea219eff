"""nnU-Net itself, on a tiny phantom: a training that is killed goes on, and its masks are scored."""

import json
import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.tiny_run import prepare

PYTHON = os.environ.get("NNUNET_PYTHON")
pytestmark = [
    pytest.mark.nnunet,
    pytest.mark.skipif(not PYTHON, reason="NNUNET_PYTHON names no interpreter with nnU-Net: make test-nnunet does"),
]
TRAINING = "seed-0/segmenters/ct/nnunet"
MASKS = "seed-0/predictions/ct-to-mr/nnunet_source_only"
METRICS = "results/phantom/seed-0/metrics/ct-to-mr/nnunet_source_only.tsv"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run whose training was killed after its first epoch, and what the second command printed."""
    run = prepare(tmp_path_factory.mktemp("nnunet") / "run")
    choices = ["--config", "methods=[nnunet_source_only]", f"nnunet_python={Path(PYTHON).absolute()}"]
    first = run.start(METRICS, *choices)
    saved = run.result(f"{TRAINING}/checkpoints/results")
    while not list(saved.rglob("checkpoint_latest.pth")):
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.2)
    os.kill(first.pid, signal.SIGKILL)
    for process in processes_of(run.folder):
        os.kill(process, signal.SIGKILL)
    first.communicate()
    assert run("--unlock")[0] == 0
    status, run.printed = run(METRICS, *choices, "inference={save_probabilities: true}")
    assert status == 0, run.printed
    return run


def processes_of(folder):
    """Return the jobs of a run: Python processes that work in its folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if (process / "cwd").resolve() == folder and b"train_nnunet.py" in command:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_a_killed_training_goes_on_from_its_last_epoch(run):
    log = run.result("logs/train_nnunet/ct-nnunet-0.log").read_text()
    assert "goes on in" in log
    assert "Epoch 1" in log and "Epoch 0" not in log, "Snakemake empties the log of a job that it starts again"
    assert "Experiment planning" not in log, "it is planned once"
    history = pd.read_csv(run.result(f"{TRAINING}/history.tsv"), sep="\t")
    assert list(history) == ["step", "loss"] and history["step"].tolist() == [2, 4]


def test_a_finished_training_leaves_what_predicts_and_nothing_else(run):
    training = run.result(TRAINING)
    assert not (training / "checkpoints").exists()
    assert (training / "model" / "fold_all" / "checkpoint_final.pth").stat().st_size > 10**6
    plans = json.loads((training / "model" / "plans.json").read_text())["configurations"]["3d_fullres"]
    assert plans["normalization_schemes"] == ["ZScoreNormalization"]
    assert json.loads((training / "usage.json").read_text())["parameters"] > 10**6
    packages = json.loads((training / "model.provenance.json").read_text())["packages"]
    assert packages["nnunetv2"].startswith("2.8") and "numpy" in packages


def test_masks_lie_on_the_scans_own_grids_beside_nothing_of_nnunets(run):
    names = {path.name for path in run.result(MASKS).iterdir() if not path.name.startswith(".snakemake")}
    assert names == {"mr2.nii.gz", "probabilities"}
    scores = pd.read_csv(run.folder / METRICS, sep="\t")
    assert scores["case"].tolist() == ["mr2"] * 4
