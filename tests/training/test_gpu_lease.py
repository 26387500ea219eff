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
name = lease(["GPU-a", "GPU-b", "GPU-c"], folder / "locks")
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


def test_a_process_keeps_its_device(locks):
    assert gpu_lease.lease_gpu(3, {}) == gpu_lease.lease_gpu(3, {}) == 0
    assert [path.name for path in locks.iterdir()] == ["0.lock"]


def test_visible_devices_are_told_apart_by_their_own_names(locks):
    assert gpu_lease.lease_gpu(2, {"CUDA_VISIBLE_DEVICES": "5,7"}) == 0
    assert [path.name for path in locks.iterdir()] == ["5.lock"]


def test_a_schedulers_device_is_taken_as_given(locks):
    assert gpu_lease.lease_gpu(1, {"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0"}) == 0
    assert not locks.exists()
