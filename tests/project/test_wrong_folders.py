"""Folders made wrong on purpose: what `dar-uda init` says to each."""

import shutil

import numpy as np
import pytest

from dar_uda.cli.command import main
from tests.data.dicom_files import write_series
from tests.project.scans import SHAPE, fill, labels, save, volume

NAMES = ["--labels", "liver=1,spleen=2"]


@pytest.fixture
def said(tmp_path, capsys):
    """Return what init says to the folders ct and mr, which stops it."""

    def say(*options, places=(f"ct={tmp_path / 'ct'}", f"mr={tmp_path / 'mr'}")):
        assert main(["init", *places, "-o", str(tmp_path / "project"), *(options or NAMES)]) == 1
        assert not (tmp_path / "project").exists()
        return " ".join(capsys.readouterr().err.split())

    return say


@pytest.fixture
def unread(monkeypatch):
    """Let no scan be read."""
    monkeypatch.setattr("dar_uda.project.init.survey", lambda *_: pytest.fail("scans were read"))


@pytest.fixture
def folders(tmp_path):
    return fill(tmp_path / "ct", "ct"), fill(tmp_path / "mr", "mr", label=False)


@pytest.mark.usefixtures("unread")
def test_labels_on_the_wrong_side(tmp_path, said):
    fill(tmp_path / "ct", "ct", label=False)
    fill(tmp_path / "mr", "mr")
    assert "DAR-403" in (text := said()) and "exchange the two: dar-uda init mr=... ct=..." in text


@pytest.mark.usefixtures("unread")
def test_no_labels_at_all(tmp_path, said):
    fill(tmp_path / "ct", "ct", label=False)
    fill(tmp_path / "mr", "mr", label=False)
    assert "expected labels of the source: put each beside its scan" in said()


def test_mixed_modalities(folders, said):
    save(volume("mr", 9), folders[0] / "image_9.nii.gz")
    assert "DAR-406: Scans of domain ct are of different kinds: 2 are in HU and 1 are not" in (text := said())
    assert "image_9.nii.gz" in text


def test_one_scan_in_two_folders(folders, said):
    shutil.copy(folders[0] / "image_2.nii.gz", folders[1] / "image_7.nii.gz")
    text = said()
    assert "DAR-407" in text and f"{folders[0]}/image_2.nii.gz and {folders[1]}/image_7.nii.gz" in text


def test_one_dicom_series_in_two_folders(folders, said):
    write_series(folders[1] / "first")
    shutil.copytree(folders[1] / "first", folders[1] / "second")
    assert f"{folders[1]}/first and {folders[1]}/second" in said()


@pytest.mark.usefixtures("folders", "unread")
def test_values_without_names(said, tmp_path):
    text = said("--budget", "laptop")
    assert f"DAR-404: The labels of ct hold numbers, {tmp_path}/ct/label_1.nii.gz the values 1, 2, and no file" in text
    assert "--labels name_of_1=1,name_of_2=2" in text


@pytest.mark.usefixtures("folders")
def test_a_name_for_a_value_that_is_not_there(said):
    assert "DAR-410: --labels names spleen=5, which no label of ct holds" in said("--labels", "liver=1,spleen=5")


@pytest.mark.usefixtures("folders", "unread")
def test_target_labels_of_a_structure_that_the_source_does_not_have(said):
    text = said(*NAMES, "--target-labels", "livr=7")
    assert "DAR-410: --target-labels names livr; expected structures of the source, liver, spleen: correct" in text


@pytest.mark.usefixtures("folders")
def test_other_label_values_in_the_target(said, tmp_path):
    fill(tmp_path / "mr", "mr", values=(63, 126))
    text = said()
    assert "DAR-405: The labels of mr hold the values 63, 126" in text
    assert "--target-labels liver=63,spleen=126" in text


def test_meters_in_a_header_that_says_millimeters(folders, said):
    save(volume("mr", 3), folders[1] / "image_3.nii.gz", spacing=(0.006, 0.006, 0.006))
    text = said()
    assert "DAR-086" in text and "image_3.nii.gz has a spacing of 0.006 x 0.006 x 0.006 mm" in text


def test_labels_without_a_structure(folders, said):
    for number in (1, 2):
        save(np.zeros(SHAPE, np.uint8), folders[0] / f"label_{number}.nii.gz")
    assert "DAR-410: --labels names liver=1,spleen=2, which no label of ct holds; found the values none" in said()


def test_a_label_on_another_grid(folders, said):
    save(labels()[:-1], folders[0] / "label_1.nii.gz")
    assert "DAR-180" in (text := said()) and "label_1.nii.gz" in text


def test_scans_as_labels(folders, said):
    save(volume("ct", 1) / 3.7, folders[0] / "label_1.nii.gz")
    assert "DAR-182: Labels that are no whole numbers" in said()


def test_an_empty_folder(folders, said, tmp_path):
    shutil.rmtree(folders[1])
    (tmp_path / "mr").mkdir()
    assert f"DAR-401: {tmp_path}/mr: found no scan" in said()


def test_one_folder_for_both(folders, said):
    shutil.rmtree(folders[1])
    folders[1].symlink_to(folders[0])
    assert "DAR-408: Source and target are one folder" in said()


def test_a_file_that_is_cut_short(folders, said):
    path = folders[0] / "image_2.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])
    assert "DAR-413" in (text := said()) and "image_2.nii.gz" in text


def test_a_scan_of_four_axes(folders, said):
    save(np.zeros((*SHAPE, 3), np.int16), folders[1] / "image_8.nii.gz")
    assert "image_8.nii.gz" in said()


def test_a_volume_of_a_4d_file_that_it_does_not_have(folders, said):
    save(np.zeros((*SHAPE, 3), np.int16), folders[1] / "image_8.nii.gz")
    table = folders[1] / "own.tsv"
    table.write_text("case\tdomain\timage\tlabel\tsplit\na\tmr\timage_8.nii.gz/3\t\tboth\n")
    places = [f"ct={folders[0]}", f"mr={table}"]
    assert "DAR-433" in (text := said(*NAMES, places=places))
    assert f"expected 0 to 2: correct the number behind the file's name, as in {folders[1]}/image_8.nii.gz/2" in text


def test_a_folder_without_its_domain(folders, tmp_path, capsys):
    assert main(["init", str(folders[0]), f"mr={folders[1]}", "-o", str(tmp_path / "project")]) == 1
    assert "DAR-400" in capsys.readouterr().err
