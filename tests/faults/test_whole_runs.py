"""What the machine may do to a run: a clear message, nothing whole lost, and the same command ends at the same bits."""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.faults.runs import CHOICES, files_of
from tests.workflow.tiny_run import prepare

pytestmark = pytest.mark.long
TRAININGS = {"train_translator": "seed-0/translators/disentangled", "train_segmenter": "seed-0/segmenters/ct/dar_unet"}
WEIGHTS = "seed-0/segmenters/ct-to-mr.disentangled-multi/dar_unet/weights.safetensors"


@contextmanager
def small_disk(folder, size):
    """Within the block `folder` is a disk of its own of `size` bytes; the value grows it or makes it read-only."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount: {mounted.stderr.decode().strip()}")
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


def size_of(run):
    return sum(path.stat().st_size for path in (run.folder / "results").rglob("*") if path.is_file())


def ends_as(run, whole):
    """Give the run's command again; expect the bits of the undisturbed one."""
    run("--unlock")
    status, text = run(*CHOICES)
    assert status == 0, text
    found, expected = files_of(run), files_of(whole)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    return text


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_full_disk_stops_the_run_by_name_and_with_space_it_goes_on(whole, tmp_path, share):
    run = prepare(tmp_path / "run")
    with small_disk(run.folder / "results", int(share * size_of(whole))) as change:
        status, text = run(*CHOICES)
        assert status != 0 and ("the disk is full" in text or "No space left on device" in text), text
        change(f"size={10 * size_of(whole)}")
        ends_as(run, whole)


def test_a_results_folder_that_cannot_be_written_is_named_and_what_is_there_stays(whole, tmp_path):
    run = prepare(tmp_path / "run")
    with small_disk(run.folder / "results", 10 * size_of(whole)) as change:
        shutil.copytree(whole.folder / "results", run.folder / "results", dirs_exist_ok=True)
        shutil.copytree(whole.folder / ".snakemake", run.folder / ".snakemake")
        before = files_of(run)
        change("ro")
        status, text = run(*CHOICES, "segmentation={steps: 31}")
        assert status != 0 and "Write-protected output files" in text and "results/phantom" in text, text
        assert files_of(run) == before
        change("rw")
        ends_as(run, whole)


def test_two_runs_in_one_folder_are_one_run_and_a_refusal(whole, tmp_path):
    run = prepare(tmp_path / "run")
    first = run.start(*CHOICES)
    while not run.result("cases").exists():
        assert first.poll() is None
        time.sleep(0.1)
    status, text = run(*CHOICES)
    assert status != 0 and "cannot be locked" in text, text
    text, _ = first.communicate()
    assert first.returncode == 0, text
    assert files_of(run) == files_of(whole)


def start_up_to_checkpoint(run, name):
    """Start the run; return it, and the process of a training that has saved a checkpoint."""
    job = run.start(*CHOICES)
    checkpoint = run.result(f"{TRAININGS[name]}/checkpoints/latest.pt")
    while not checkpoint.exists():
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.02)
    script = re.compile(rf"\.{name}\.py$")
    for process in psutil.Process(job.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if any(script.search(word) for word in process.cmdline()):
                return job, process
    raise AssertionError(f"no process of {name}")


@pytest.mark.parametrize("name", TRAININGS)
def test_sigterm_from_a_queue_saves_a_checkpoint_from_which_the_next_job_goes_on(whole, tmp_path, name):
    run = prepare(tmp_path / "run")
    job, training = start_up_to_checkpoint(run, name)
    training.terminate()
    text, _ = job.communicate()
    assert job.returncode != 0 and re.search(r"ended by SIGTERM after step \d+; the same command goes on", text), text
    assert re.search(rf"{name}.*resumed from the checkpoint at step", ends_as(run, whole))


@pytest.mark.parametrize(
    "path", ["cases/mr/mr0/image.nii", "slices/mr.npy", "seed-0/translators/disentangled/weights.safetensors", WEIGHTS]
)
def test_a_result_cut_short_stops_the_run_by_name_and_without_it_the_run_makes_it_again(whole, tmp_path, path):
    shutil.copytree(whole.folder, tmp_path / "run")
    run = type(whole)(tmp_path / "run")
    damaged = run.result(path)
    os.truncate(damaged, damaged.stat().st_size // 2)
    status, text = run(*CHOICES)
    assert status != 0 and f"{path} cannot be read" in text and "delete it and run again" in text, text
    damaged.unlink()
    status, text = run(f"results/phantom/{path}", "all", *CHOICES)
    assert status == 0, text
    assert damaged.read_bytes() == whole.result(path).read_bytes()
    found, expected = files_of(run), files_of(whole)
    assert [name for name in found if found[name] != expected[name]] == []
    assert {name for name in expected if "seed-0" not in name} <= found.keys()


def test_an_orphan_and_its_successor_never_write_together(whole, tmp_path):
    run = prepare(tmp_path / "run")
    job, orphan = start_up_to_checkpoint(run, "train_translator")
    orphan.suspend()
    job.send_signal(signal.SIGKILL)
    job.stdout.close()
    run("--unlock")
    status, text = run(*CHOICES)
    assert status != 0 and "another process does this job" in text, text
    orphan.kill()
    ends_as(run, whole)
