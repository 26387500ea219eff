import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import pytest

from dar_uda.training import gpu_lease

JOB = """
import fcntl, sys, time
from pathlib import Path
from dar_uda.training.gpu_lease import lease
folder, hold = Path(sys.argv[1]), float(sys.argv[2])
(name,) = lease(["GPU-a", "GPU-b", "GPU-c"], folder / "locks")
with (folder / name).open("a+") as proof:
    fcntl.lockf(proof, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of another kind; fails if another process computes there
    print(name, flush=True)
    time.sleep(hold)
"""


def test_eight_jobs_share_three_devices_never_two_on_one_and_none_starves(tmp_path):
    """A third of the jobs is killed (-9) while it holds its device; every other one gets one and ends well."""
    rng = random.Random(0)
    waiting = [rng.uniform(0.05, 0.3) for _ in range(24)]
    running, killed, used = {}, 0, Counter()
    deadline = time.monotonic() + 120
    while waiting or running:
        assert time.monotonic() < deadline, "a job starves"
        while waiting and len(running) < 8:
            command = [sys.executable, "-c", JOB, str(tmp_path), str(waiting.pop())]
            running[subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)] = False
        for job in list(running):
            if job.poll() is None:
                if rng.random() < 0.004:
                    with suppress(ProcessLookupError):
                        os.kill(job.pid, signal.SIGKILL)
                    running[job] = True
                continue
            printed, errors = job.communicate()
            used.update(printed.split())
            if running.pop(job) and job.returncode == -signal.SIGKILL:
                killed += 1
            else:
                assert job.returncode == 0 and printed.strip(), errors
        time.sleep(0.01)
    assert killed >= 3 and len(used) == 3


@pytest.fixture
def locks(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_lease.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpu_lease, "_held", {})
    yield tmp_path / f"dar-uda-gpus-{os.getuid()}"
    for file in gpu_lease._held.values():
        os.close(file)


def test_a_process_keeps_its_devices(locks):
    assert gpu_lease.lease_gpus(1, 3, {}) == gpu_lease.lease_gpus(1, 3, {}) == [0]
    assert [path.name for path in locks.iterdir()] == ["0.lock"]
    assert gpu_lease.lease_gpus(2, 3, {}) == [0, 1]


def test_visible_devices_are_told_apart_by_their_own_names(locks):
    assert gpu_lease.lease_gpus(1, 2, {"CUDA_VISIBLE_DEVICES": "5,7"}) == [0]
    assert [path.name for path in locks.iterdir()] == ["5.lock"]


def test_a_schedulers_devices_are_taken_as_given(locks):
    environment = {"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert gpu_lease.lease_gpus(2, 2, environment) == [0, 1]
    assert not locks.exists()


def test_more_devices_than_there_are_are_refused(locks):
    with pytest.raises(ValueError, match="gpus_per_training is 2, torch finds 1 GPUs"):
        gpu_lease.lease_gpus(2, 1, {})
    assert not locks.exists()


PAIR = """
import sys, time
from pathlib import Path
from dar_uda.training.gpu_lease import lease
print(*lease(["0", "1"], Path(sys.argv[1]), 2), flush=True)
time.sleep(0.2)
"""


def test_jobs_that_want_all_devices_take_turns(tmp_path):
    command = [sys.executable, "-c", PAIR, str(tmp_path / "locks")]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [job.communicate(timeout=60)[0] for job in jobs] == ["0 1\n"] * 4
