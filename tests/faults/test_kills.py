"""kill -9 at twenty random moments, of jobs and of Snakemake itself: the documented resume ends at the same bits."""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.workflow.tiny_run import prepare

KILLS = 20
CHOICES = ("--config", "methods=[source_only,dar_uda]", "translation={steps: 60}", "segmentation={steps: 30}")
COMPARED = ("*.safetensors", "tables/summary.*", "metrics/**/*.tsv", "predictions/**/*.nii.gz", "history.tsv")


def files_of(run):
    """Return the bytes of all weights, masks, scores and tables."""
    results = run.folder / "results" / "phantom"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for pattern in COMPARED
        for path in sorted(results.rglob(pattern))
        if "benchmarks" not in path.parts and "logs" not in path.parts
    }


def kill_one_or_all(job, rng):
    """kill -9 either one process of the run, or Snakemake alone (its jobs live on), or the whole tree."""
    with suppress(psutil.NoSuchProcess):
        main = psutil.Process(job.pid)
        family = main.children(recursive=True)
        choice = rng.random()
        victims = (
            [main] if choice < 0.3 else [main, *family] if choice < 0.6 else rng.sample(family, min(1, len(family)))
        )
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)


def orphans_of(folder):
    """Return the processes that still work in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and Path(process.cwd()) == folder:
                found.append(process)
    return found


@pytest.mark.long
def test_a_run_killed_twenty_times_ends_at_the_bits_of_an_undisturbed_one(tmp_path):
    rng = random.Random(20261123)
    whole, killed = prepare(tmp_path / "whole"), prepare(tmp_path / "killed")
    start = time.monotonic()
    status, text = whole(*CHOICES)
    assert status == 0, text
    seconds = time.monotonic() - start

    done = 0
    while done < KILLS:
        job = killed.start(*CHOICES)
        try:
            text, _ = job.communicate(timeout=rng.uniform(2, max(6.0, seconds / 4)))
            if job.returncode == 0:
                break
        except subprocess.TimeoutExpired:
            kill_one_or_all(job, rng)
            done += 1
            with suppress(subprocess.TimeoutExpired):
                job.communicate(timeout=rng.uniform(0, 3))
            if job.poll() is None and rng.random() < 0.5:
                job.kill()
        if job.poll() is None:
            job.communicate()
        killed("--unlock")
    status, text = killed(*CHOICES)
    if status != 0:  # an orphaned training of a killed Snakemake still held its folder: wait, as the message says
        for process in orphans_of(killed.folder):
            process.wait(timeout=300)
        killed("--unlock")
        status, text = killed(*CHOICES)
    assert status == 0, text
    assert done >= KILLS / 2
    expected, found = files_of(whole), files_of(killed)
    assert found.keys() == expected.keys() and len(expected) > 10
    assert [name for name in expected if found[name] != expected[name]] == []
