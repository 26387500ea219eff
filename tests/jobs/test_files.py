import errno
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dar_uda.data.network_volume import open_image, write_image
from dar_uda.jobs.files import (
    FORGOTTEN,
    check_not_read,
    check_writable,
    folds_case,
    locked,
    place,
    staging,
    write_beside,
)
from dar_uda.preprocessing.slices import extract_slices, open_slices
from dar_uda.training.weights import load_weights, save_weights

HOLD = """
import sys, time
from dar_uda.jobs.files import check_writable, locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_failed_write_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    (tmp_path / "table.tsv").write_text("whole")
    with pytest.raises(ValueError, match="half"), write_beside(tmp_path / "table.tsv") as partial:
        partial.write_text("ha")
        raise ValueError("half")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("table.tsv", "whole")]


def test_two_writers_of_one_file_do_not_share_their_temporary_file(tmp_path):
    path = tmp_path / "mask.nii.gz"
    with write_beside(path) as one:
        one.write_text("one, whole")
        with write_beside(path) as other:
            other.write_text("other, ")
            assert one != other and one.name.endswith(other.suffix) and other.name.endswith(".nii.gz")
        assert path.read_text() == "other, "
    assert path.read_text() == "one, whole" and list(tmp_path.iterdir()) == [path]


def test_temporary_files_of_killed_processes_go_after_a_day(tmp_path):
    old, young, other = (tmp_path / f".partial-{name}" for name in ("aaaa-x.tsv", "bbbb-x.tsv", "cccc-y.tsv"))
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - FORGOTTEN - 60,) * 2)
    with write_beside(tmp_path / "x.tsv") as partial:
        partial.write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, other.name, "x.tsv"]


def test_a_temporary_file_that_another_process_removes_first_is_none_of_ours(tmp_path):
    (tmp_path / ".partial-aaaa-x[1].tsv").symlink_to("gone")
    with write_beside(tmp_path / "x[1].tsv") as partial:
        partial.write_text("x")
    old = tmp_path / ".partial-bbbb-x[1].tsv"
    old.touch()
    os.utime(old, (0, 0))
    with write_beside(tmp_path / "x[1].tsv") as partial:
        partial.write_text("x")
    assert not old.exists()


SPELLINGS = (
    *("{folder}/{name}", "{folder}/../{folder}/{name}", "./{folder}//{name}", "to_{folder}/{name}", "file_to_{name}"),
    *("{root}/{folder}/{name}", "{root}/to_{folder}/./{name}", "hard_{name}", "{folder}/below/../{name}"),
)


def test_an_output_is_an_input_by_any_spelling_and_link_and_by_no_other(tmp_path, monkeypatch):
    """300 draws of two spellings; whether they are one file, the operating system says."""
    monkeypatch.chdir(tmp_path)
    for folder, name in product("ab", "xy"):
        Path(folder, "below").mkdir(parents=True, exist_ok=True)
        Path(folder, name).write_text(folder + name)
    for folder, name in zip("ab", "xy", strict=True):
        Path(f"to_{folder}").symlink_to(folder)
        Path(f"file_to_{name}").symlink_to(Path(folder, name))
        Path(f"hard_{name}").hardlink_to(Path(folder, name))
    rng, same = np.random.default_rng(0), 0
    for _ in range(300):
        one, other = (
            rng.choice(SPELLINGS).format(folder=rng.choice(["a", "b"]), name=rng.choice(["x", "y"]), root=tmp_path)
            for _ in range(2)
        )
        is_input = Path(one).samefile(other)
        with pytest.raises(ValueError, match="would replace") if is_input else nullcontext():
            check_not_read([one], [other])
        folder = Path(other).parent
        among = Path(one).parent.samefile(folder) or any(Path(one).samefile(file) for file in folder.iterdir())
        with pytest.raises(ValueError, match="would (lie among|replace)") if among else nullcontext():
            check_not_read([one], [folder])
        same += is_input
    assert 50 < same < 250


def test_a_file_goes_to_its_name_also_on_another_disk(tmp_path, monkeypatch):
    within = Path.replace

    def replace(path, to):
        if path.name == "staged":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        within(path, to)

    (tmp_path / "staged").write_text("whole")
    monkeypatch.setattr(Path, "replace", replace)
    place(tmp_path / "staged", tmp_path / "name")
    assert (tmp_path / "name").read_text() == "whole"


def test_a_staging_folder_that_cannot_be_removed_is_no_failure_and_goes_after_a_day(tmp_path, monkeypatch):
    def rmtree(*_, **__):
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", rmtree)
        with staging(tmp_path) as stage:
            (stage / "x").touch()
    assert stage.exists()
    os.utime(stage, (0, 0))
    with staging(tmp_path):
        assert not stage.exists()
    assert list(tmp_path.iterdir()) == []


def test_whether_a_disk_takes_upper_and_lower_case_for_one_is_seen(tmp_path):
    (tmp_path / "a").touch()
    assert folds_case(tmp_path) == (tmp_path / "A").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_named_whatever_the_writer_says(tmp_path, monkeypatch):
    monkeypatch.setattr("dar_uda.jobs.files.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with (
        pytest.raises(OSError, match="the disk is full: free some space.*weights") as caught,
        write_beside(tmp_path / "weights"),
    ):
        raise RuntimeError("[enforce fail at inline_container.cc:672]")
    assert caught.value.errno == errno.ENOSPC


def test_a_lock_ends_with_its_process_even_by_kill(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RuntimeError, match="lock: another process does this job"), locked(tmp_path / "lock"):
        pass
    process.kill()
    process.wait()
    with locked(tmp_path / "lock"):
        pass


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("dar_uda.jobs.files.fcntl.flock", flock)
    with locked(tmp_path / "lock"):
        assert "no locks on this file system" in caplog.text


def image(path):
    write_image(path.with_suffix(".nii"), np.zeros((4, 8, 8), np.float32), np.eye(4))
    return path.with_suffix(".nii"), open_image


def weights(path):
    save_weights(path, torch.nn.Linear(20, 20), {})
    return path, load_weights


def slices(path):
    nii, _ = image(path)
    extract_slices([nii], ["a"], path.with_suffix(".npy"), path.with_suffix(".tsv"))
    return path.with_suffix(".npy"), open_slices


@pytest.mark.parametrize("kind", [image, weights, slices])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_result_that_was_cut_short_is_refused_by_name(tmp_path, kind, share):
    path, read = kind(tmp_path / "result")
    read(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"{path.name} cannot be read .*delete it and run again"):
        read(path)


def test_a_folder_into_which_nothing_can_be_written_is_told_before_the_work(tmp_path):
    check_writable(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file: nothing can be written there \(File exists\); give another folder"):
        check_writable(tmp_path / "file")
