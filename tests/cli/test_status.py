"""What a run's folder tells of it, from logs that real processes wrote."""

import signal
import subprocess
import sys
import time

import pytest
import torch

from dar_uda.cli.command import main
from dar_uda.cli.status import status_of

JOB = """
import logging, sys, time
from dar_uda.jobs.log import job_log
with job_log(sys.argv[1]):
    logging.info("train_segmenter ct: step 3/9, 0.50 s/step, 0:00:03 left, loss 2.5")
    if sys.argv[2] == "waits":
        time.sleep(60)
    if sys.argv[2] == "fails":
        raise ValueError("scan.nii: found 2 axes, expected 3")
    if sys.argv[2] == "is ended":
        from dar_uda.training.loop import Terminated
        raise Terminated("train_segmenter ct: ended by SIGTERM after step 3; the same command goes on from there")
"""


def start(run, log, what):
    return subprocess.Popen([sys.executable, "-c", JOB, run / "logs" / log, what], stderr=subprocess.DEVNULL)


def rows(text):
    """Return the counts of every stage: done, running, failed, stopped."""
    lines = text.split("\n\n")[1].splitlines()[1:]
    return {line.split()[0]: line.split()[1:5] for line in lines}


def test_done_failed_running_killed_and_ended_jobs_are_told_apart(tmp_path, capsys):
    run = tmp_path / "results" / "phantom"
    waiting = start(run, "train_segmenter/ct-dar_unet-0.log", "waits")
    for log, what in {
        "check_cases.log": "succeeds",
        "preprocess_case/mr-mr1.log": "succeeds",
        "preprocess_case/mr-mr2.log": "fails",
        "train_segmenter/mr-dar_unet-0.log": "is ended",
    }.items():
        start(run, log, what).wait()
    while "step 3/9" not in (run / "logs" / "train_segmenter" / "ct-dar_unet-0.log").read_text():
        time.sleep(0.05)
    assert main(["status", str(run)]) == 0
    text = capsys.readouterr().out
    assert "2 done, 1 running, 1 failed, 1 stopped" in text
    assert rows(text)["preprocess_case"] == ["1", "-", "1", "-"]
    assert rows(text)["train_segmenter"] == ["-", "1", "-", "1"]
    running = text.partition("running:\n")[2]
    assert "train_segmenter ct-dar_unet-0" in running
    assert "step 3/9, 0.50 s/step, 0:00:03 left, loss 2.5" in running.splitlines()[1]
    assert "ERROR: scan.nii: found 2 axes, expected 3" in text and "mr-mr2.log" in text
    assert "waits for:\n  the jobs that run\n  you: correct what failed" in text
    assert "not begun, where the run asks for them: extract_slices, train_translator" in text

    waiting.send_signal(signal.SIGKILL)
    waiting.wait()
    text = status_of(run)
    assert "2 done, 0 running, 1 failed, 2 stopped" in text and "the same command again" in text
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    assert "was killed (then snakemake --unlock)" in status_of(run)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_checkpoints_are_told_with_their_steps(tmp_path, monkeypatch, elsewhere):
    run = tmp_path / "results" / "phantom"
    (run / "logs").mkdir(parents=True)
    (run / "logs" / "check_cases.log").write_text("10:00:00 done in 1.00 s\n")
    root = run
    if elsewhere:
        monkeypatch.setenv("DAR_UDA_CHECKPOINTS", str(tmp_path / "disk"))
        root = tmp_path / "disk" / run.relative_to("/")
    for folder in ("translators/disentangled", "segmenters/ct/dar_unet"):
        (root / "seed-0" / folder / "checkpoints").mkdir(parents=True)
    torch.save({"step": 40, "trainer": {}}, root / "seed-0/translators/disentangled/checkpoints/latest.pt")
    (root / "seed-0/segmenters/ct/dar_unet/checkpoints/latest.pt").write_bytes(b"cut short")
    nnunet = root / "seed-0/segmenters/ct/nnunet/checkpoints/results/Dataset001_DarUda/DarUdaTrainer/fold_all"
    nnunet.mkdir(parents=True)
    (nnunet / "history.tsv").write_text("step\tloss\n5\t0.9\n10\t0.8\n")
    text = status_of(run)
    assert "  seed-0/translators/disentangled: step 40, saved 0:00:0" in text
    assert "  seed-0/segmenters/ct/nnunet: step 10, saved 0:00:0" in text
    assert "  seed-0/segmenters/ct/dar_unet: cannot be read, its training starts anew" in text


def test_a_run_behind_a_link_is_told_as_any_other(tmp_path, monkeypatch):
    project, run = tmp_path / "project", tmp_path / "scratch" / "phantom"
    start(run, "check_cases.log", "succeeds").wait()
    project.mkdir()
    (project / "results").symlink_to(run.parent)
    (project / ".snakemake" / "locks").mkdir(parents=True)
    (project / ".snakemake" / "locks" / "0.input.lock").touch()
    checkpoint = tmp_path / "disk" / "results" / "phantom" / "seed-0" / "checkpoints" / "latest.pt"
    checkpoint.parent.mkdir(parents=True)
    torch.save({"step": 7}, checkpoint)
    monkeypatch.setenv("DAR_UDA_CHECKPOINTS", str(tmp_path / "disk"))
    monkeypatch.chdir(project)
    for given in ("results/phantom", project / "results" / "phantom", "./results/phantom/."):
        text = status_of(given)
        assert "1 done, 0 running" in text and "Snakemake, which holds this folder" in text and "step 7, saved" in text


def test_of_many_jobs_that_failed_the_last_are_told(tmp_path):
    for number in range(8):
        log = tmp_path / "results" / "phantom" / "logs" / "preprocess_case" / f"mr-mr{number}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("10:00:00 ERROR: broken\nTraceback\n  File x\n")
    text = status_of(tmp_path / "results" / "phantom")
    assert text.count("ERROR: broken") == 5 and "and 3 more" in text
    assert len(text.splitlines()) < 40


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 1
    assert "expected the folder of a run, such as results/phantom" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [("results", "results/logs holds no log"), ("results/phantm", "results/phantm: no such folder")],
)
def test_of_a_folder_of_runs_or_a_misspelt_run_the_runs_are_listed(tmp_path, given, message):
    for name in ("phantom", "abdomen"):
        (tmp_path / "results" / name / "logs").mkdir(parents=True)
    (tmp_path / "results" / ".git" / "logs").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=message) as refused:
        status_of(tmp_path / given)
    assert str(refused.value).endswith(
        f"expected the folder of a run: {tmp_path}/results/abdomen, {tmp_path}/results/phantom"
    )
