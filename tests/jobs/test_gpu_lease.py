import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from dar_uda.jobs import gpu_lease

JOB = """
import fcntl, sys, time
from pathlib import Path
from dar_uda.jobs.gpu_lease import lease
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


NAME = f"dar-uda-gpus-{os.getuid()}"


@pytest.fixture
def locks(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_lease.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpu_lease, "_held", {})
    yield tmp_path / NAME
    for file in gpu_lease._held.values():
        os.close(file)


A, B, C = (f"{letter * 8}-0000-0000-0000-{letter * 12}" for letter in "abc")


def test_a_process_keeps_its_devices(locks):
    assert gpu_lease.lease_gpus(1, [A, B, C], locks.parent) == gpu_lease.lease_gpus(1, [A, B, C], locks.parent) == [0]
    assert [path.name for path in locks.iterdir()] == [f"{A}.lock"]
    assert gpu_lease.lease_gpus(2, [A, B, C], locks.parent) == [0, 1]


def test_more_devices_than_there_are_are_refused(locks):
    with pytest.raises(ValueError, match="gpus_per_training is 2, torch finds 1 GPUs"):
        gpu_lease.lease_gpus(2, [A], locks.parent)
    assert not locks.exists()


def test_a_link_laid_in_the_common_temporary_folder_is_not_followed(locks, tmp_path):
    (tmp_path / "mine").mkdir()
    locks.symlink_to(tmp_path / "mine")
    with pytest.raises(PermissionError, match="^DAR-219: .* is a link, expected a folder"):
        gpu_lease.lease_gpus(1, [A], tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_of_locks_that_others_can_write_is_refused(locks):
    locks.mkdir()
    locks.chmod(0o777)
    with pytest.raises(
        PermissionError, match="^DAR-219: .* has the mode 0o777, expected a folder of your own of mode 0o700"
    ):
        gpu_lease.lease_gpus(1, [A], locks.parent)
    assert list(locks.iterdir()) == []


def test_a_folder_of_locks_of_another_user_is_refused(locks, monkeypatch):
    locks.mkdir(0o700)
    monkeypatch.setattr(gpu_lease.os, "getuid", lambda: locks.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="^DAR-219: .* belongs to another user, expected"):
        gpu_lease.lease([A], locks)


def lay_a_link(folder):
    (folder / "mine").mkdir()
    (folder / NAME).symlink_to(folder / "mine")


def make_it_readable(folder):
    (folder / NAME).mkdir()
    (folder / NAME).chmod(0o755)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(lay_a_link, "is a link"), (make_it_readable, "has the mode 0o755"), (os.rmdir, "No such file or directory")],
)
def test_where_the_common_folder_is_refused_that_of_tmpdir_is_taken_and_said(locks, tmp_path, caplog, spoil, told):
    common = tmp_path / "common"
    common.mkdir()
    spoil(common)
    assert gpu_lease.lease_gpus(1, [A], common) == [0]
    assert [path.name for path in locks.iterdir()] == [f"{A}.lock"]
    (line,) = caplog.messages
    assert line.startswith(f"DAR-232: the locks of GPUs are in {locks} (") and told in line
    assert "set the same TMPDIR for all your jobs on this machine" in line


def test_all_jobs_look_in_one_folder():
    assert gpu_lease.lease_gpus.__defaults__ == (Path("/tmp"),)


SHOWN = """
import sys
from pathlib import Path
from dar_uda.jobs.gpu_lease import lease_gpus
print(*lease_gpus(1, sys.argv[2:], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def job_on(tmp_path):
    """Start processes that lease one of the GPUs shown to them, and hold it; return its index there."""
    jobs = []

    def start(names, **environment):
        variables = {**os.environ, **environment}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        jobs.append(
            subprocess.Popen([sys.executable, "-c", SHOWN, str(tmp_path), *names], env=variables, text=True, **pipes)
        )
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()
        job.communicate()


def index_of(job):
    return int(job.stdout.readline())


@pytest.mark.parametrize("scheduler", ["SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST"])
def test_jobs_within_one_allocation_or_pod_get_different_gpus(job_on, scheduler):
    jobs = [job_on([A, B], **{scheduler: "1"}) for _ in range(2)]
    assert sorted(index_of(job) for job in jobs) == [0, 1]


def test_jobs_with_different_temporary_folders_get_different_gpus(job_on, tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    jobs = [job_on([A, B], TMPDIR=str(folder)) for folder in folders]
    assert sorted(index_of(job) for job in jobs) == [0, 1]
    assert all(list(folder.iterdir()) == [] for folder in folders)


def test_jobs_that_own_a_gpu_each_do_not_wait_for_each_other(job_on):
    """Slurm shows each job one GPU, which is index 0 and CUDA_VISIBLE_DEVICES=0 to both."""
    jobs = [job_on([name], SLURM_JOB_ID=str(number), CUDA_VISIBLE_DEVICES="0") for number, name in enumerate([A, B])]
    assert [index_of(job) for job in jobs] == [0, 0]


def test_one_gpu_has_another_index_for_another_job_and_is_leased_once(job_on):
    assert index_of(job_on([B])) == 0
    assert index_of(job_on([B, C])) == 1


def test_a_job_that_waits_says_so_without_any_logging_set_up(job_on):
    assert index_of(job_on([A])) == 0
    waiting = job_on([A])
    assert "1 of 1 GPUs wanted, too few are free" in waiting.stderr.readline()


PAIR = """
import sys, time
from pathlib import Path
from dar_uda.jobs.gpu_lease import lease
print(*lease(["0", "1"], Path(sys.argv[1]), 2), flush=True)
time.sleep(0.2)
"""


def test_jobs_that_want_all_devices_take_turns(tmp_path):
    command = [sys.executable, "-c", PAIR, str(tmp_path / "locks")]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [job.communicate(timeout=60)[0] for job in jobs] == ["0 1\n"] * 4
