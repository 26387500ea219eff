"""What counts as a change of an image or a label: its content, whatever its date says."""

import fcntl
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from dar_uda.data.versions import Versions, files_of
from dar_uda.jobs.provenance import checksums

OLD = (1.6e9, 1.6e9)
"""2020: older than anything that a run makes."""


@pytest.fixture
def table(tmp_path):
    return tmp_path / "versions.tsv"


@pytest.fixture
def scan(tmp_path):
    """A folder of three slices."""
    folder = tmp_path / "scan"
    folder.mkdir()
    for k in range(3):
        (folder / f"IM{k}").write_bytes(bytes([k]) * 100)
    return str(folder)


@pytest.fixture
def label(tmp_path):
    path = tmp_path / "label.nii"
    path.write_bytes(b"label")
    return str(path)


def planned(table, *images, labels=()):
    """Return the version that a new process finds."""
    return Versions(table).of(images, labels)


def replace(path, content, date=OLD):
    """Replace a file by another with a date of its own, as rsync -a and cp -p do."""
    new = Path(f"{path}.new")
    new.write_bytes(content)
    os.utime(new, date)
    new.replace(path)


def touch(folder):
    for file in [Path(folder), *Path(folder).iterdir()]:
        os.utime(file)


STRAYS = [".DS_Store", "._IM1", ".hidden.dcm", "DICOMDIR", "Thumbs.db", "desktop.ini", "IM0.jpg", "preview.PNG"]


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize("stray", STRAYS)
def test_a_file_that_is_no_slice_is_no_change(scan, table, stray, read_before):
    before = planned(table, scan)
    if read_before:
        Versions(table).note(scan)
    (Path(scan) / stray).write_bytes(b"anything")
    assert planned(table, scan) == before
    assert sorted(map(os.path.basename, files_of(scan))) == ["IM0", "IM1", "IM2"]


def test_a_slice_whose_name_is_not_utf_8_counts_as_any_other(scan, table):
    (Path(scan) / os.fsdecode(b"Sch\xe4del")).write_bytes(b"slice")
    before = planned(table, scan)
    assert Versions(table).note(scan) and planned(table, scan) == before
    assert list(checksums([scan])) == [scan]
    replace(Path(scan) / "IM1", b"x" * 100)
    assert planned(table, scan) != before


def test_a_folder_within_the_folder_is_no_change(scan, table):
    before = planned(table, scan)
    (Path(scan) / "thumbnails").mkdir()
    (Path(scan) / "thumbnails" / "IM0").touch()
    assert planned(table, scan) == before
    assert Versions(table).note(scan) and planned(table, scan) == before


@pytest.mark.parametrize("read_before", [False, True])
def test_a_slice_with_an_old_date_is_a_change(scan, table, read_before):
    before = planned(table, scan)
    if read_before:
        Versions(table).note(scan)
    replace(Path(scan) / "IM1", b"x" * 100)
    changed = planned(table, scan)
    assert changed != before and planned(table, scan) == changed


def test_a_change_that_keeps_size_date_and_inode_is_one_once_the_file_was_read(label, table):
    status = Path(label).stat()
    before = planned(table, labels=[label])
    Versions(table).note(label, is_label=True)
    with Path(label).open("r+b") as file:
        file.write(b"LABEL")
    os.utime(label, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = Path(label).stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (status.st_size, status.st_mtime_ns, status.st_ino)
    assert planned(table, labels=[label]) != before


@pytest.mark.parametrize("change", ["added", "removed", "renamed"])
def test_another_set_of_slices_is_a_change(scan, table, change):
    before = planned(table, scan)
    Versions(table).note(scan)
    first = Path(scan) / "IM0"
    if change == "added":
        shutil.copy2(first, Path(scan) / "IM3")
    elif change == "removed":
        first.unlink()
    else:
        first.rename(Path(scan) / "IM3")
    assert planned(table, scan) != before


def test_touched_or_copied_files_are_no_change_and_are_read_once(scan, table, monkeypatch):
    before = planned(table, scan)
    Versions(table).note(scan)
    for again in (touch, lambda folder: shutil.copytree(folder, f"{folder}.new")):
        again(scan)
        if Path(f"{scan}.new").exists():
            shutil.rmtree(scan)
            Path(f"{scan}.new").rename(scan)
        assert planned(table, scan) == before
    with monkeypatch.context() as patched:
        patched.setattr("dar_uda.data.versions.checksums", lambda _: pytest.fail("read again"))
        assert planned(table, scan) == before
    assert table.read_text().count("\n") == 1 + 3


def test_touched_files_that_nothing_has_read_count_as_another_version(scan, table):
    before = planned(table, scan)
    touch(scan)
    assert planned(table, scan) != before
    assert not table.exists()


def test_copies_that_keep_their_dates_are_no_change_without_the_table(scan, table):
    before = planned(table, scan)
    shutil.copytree(scan, f"{scan}.new")  # copy2: with dates
    shutil.rmtree(scan)
    Path(f"{scan}.new").rename(scan)
    assert planned(table, scan) == before


def test_the_old_content_has_its_old_version_again(label, table):
    before = planned(table, labels=[label])
    Versions(table).note(label, is_label=True)
    replace(label, b"corrected")
    assert planned(table, labels=[label]) != before
    replace(label, b"label", date=(1.7e9, 1.7e9))
    assert planned(table, labels=[label]) == before


def test_a_changed_scan_keeps_its_new_version_when_its_job_has_read_it(scan, table):
    Versions(table).note(scan)
    replace(Path(scan) / "IM1", b"x" * 100)
    changed = planned(table, scan)
    assert Versions(table).note(scan) and planned(table, scan) == changed
    touch(scan)
    assert planned(table, scan) == changed


def test_versions_stay_while_a_process_lives(label, table):
    versions = Versions(table)
    before = versions.of(labels=[label])
    replace(label, b"corrected")
    assert versions.of(labels=[label]) == before != planned(table, labels=[label])


def test_a_file_that_changes_while_it_is_read_is_not_noted(label, table, monkeypatch):
    def read(paths):
        replace(label, b"corrected")
        return dict.fromkeys(paths, "0")

    monkeypatch.setattr("dar_uda.data.versions.checksums", read)
    Versions(table).note(label, is_label=True)
    assert not table.exists()


def test_the_voxels_beside_a_header_count(tmp_path, table):
    header, voxels = tmp_path / "a.hdr", tmp_path / "a.img"
    header.write_bytes(b"header")
    voxels.write_bytes(b"voxels")
    before = planned(table, str(header))
    Versions(table).note(str(header))
    replace(voxels, b"VOXELS")
    assert planned(table, str(header)) != before


@pytest.mark.parametrize(
    "given, other", [("a.img", "a.hdr"), ("A.IMG", "A.HDR"), ("a.img.gz", "a.hdr.gz"), ("a.hdr.gz", "a.img.gz")]
)
def test_the_other_file_of_a_pair_counts_whichever_the_table_names(tmp_path, table, given, other):
    for name in (given, other):
        (tmp_path / name).write_bytes(b"before")
    before = planned(table, str(tmp_path / given))
    Versions(table).note(str(tmp_path / given))
    replace(tmp_path / other, b"AFTER!")
    assert planned(table, str(tmp_path / given)) != before


def test_of_a_folder_of_labels_the_png_files_count(tmp_path, table):
    folder = tmp_path / "ground"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"png")
    before = planned(table, labels=[str(folder)])
    (folder / "notes.txt").touch()
    assert planned(table, labels=[str(folder)]) == before
    replace(folder / "1.png", b"PNG")
    assert planned(table, labels=[str(folder)]) != before


def test_slices_of_an_image_and_of_its_label_may_lie_in_one_folder(scan, table):
    (Path(scan) / "1.png").write_bytes(b"png")
    before = planned(table, scan, labels=[scan])
    Versions(table).note(scan)
    Versions(table).note(scan, is_label=True)
    assert planned(table, scan, labels=[scan]) == before


def test_versions_of_several_files_are_one_in_their_order(scan, label, table):
    both = planned(table, scan, labels=[label])
    assert both not in (planned(table, scan), planned(table, labels=[label]), "")
    replace(label, b"corrected")
    assert planned(table, scan, labels=[label]) != both
    assert Versions(table).of() == ""


def test_processes_that_begin_the_table_at_once_write_one_header(label, table):
    with table.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        noting = threading.Thread(target=Versions(table).note, args=(label,))
        noting.start()
        time.sleep(0.3)
        other.write("path\tstate\tchecksum\tversion\nfirst\ts\tc\tv\n")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        noting.join()
    assert [line.split("\t")[0] for line in table.read_text().splitlines()] == ["path", "first", label]


def test_a_table_cut_short_or_closed_costs_no_more_than_reading_again(scan, label, table):
    before = planned(table, scan, labels=[label])
    Versions(table).note(scan)
    Versions(table).note(label, is_label=True)
    for cut in (2, 20):
        table.write_text(table.read_text()[:-cut])
        assert planned(table, scan, labels=[label]) == before
    table.unlink()
    table.mkdir()  # as a table that can be neither read nor written
    assert Versions(table).note(scan) and planned(table, scan, labels=[label]) == before


def test_a_scan_that_is_not_there_has_another_version_and_stops_nothing(scan, table):
    before = planned(table, scan)
    Versions(table).note(scan)
    (Path(scan) / "IM0").unlink()
    (Path(scan) / "IM0").symlink_to("nowhere")
    assert planned(table, scan) != before
    shutil.rmtree(scan)
    assert planned(table, scan) != before
