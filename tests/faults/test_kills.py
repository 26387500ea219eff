"""kill -9 at twenty random moments, of jobs and of Snakemake itself: the documented resume ends at the same bits."""

import os
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.limited import FIGURES
from tests.faults.runs import CHOICES, files_of
from tests.workflow.tiny_run import prepare

KILLS = 20


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


def run_with_kills(run, rng, most):
    """Give the run's command again and again, killing it at random moments; return the kills when it ends by itself."""
    kills = 0
    while True:
        job = run.start(*CHOICES)
        try:
            text, _ = job.communicate(timeout=rng.uniform(3, 14) if kills < most else None)
        except subprocess.TimeoutExpired:
            kill_one_or_all(job, rng)
            kills += 1
            text, _ = job.communicate()
        if job.returncode == 0:
            return kills
        assert kills <= most + 1, text
        if kills >= most:  # an orphaned training of a killed Snakemake holds its folder: wait, as its message says
            for process in orphans_of(run.folder):
                process.wait(timeout=300)
        run("--unlock")


@pytest.mark.long
def test_runs_killed_twenty_times_end_at_the_bits_of_an_undisturbed_one(whole, tmp_path):
    rng = random.Random(20261123)
    expected = files_of(whole)
    assert len(expected) > 10
    kills, number = 0, 0
    while kills < KILLS:
        killed = prepare(tmp_path / f"killed{number}")
        kills += run_with_kills(killed, rng, KILLS - kills)
        found = files_of(killed)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []
        number += 1
    FIGURES.append(f"{kills} kills over {number} runs, all at the bits of an undisturbed one")
