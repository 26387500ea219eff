"""Volumes of a 4D file, and a DICOM series with contours, through the rules that read the user's files."""

import nibabel as nib
import numpy as np
import pytest

from tests.data.dicom_files import save_slice
from tests.data.label_objects import contour, make_rtstruct, save_scan
from tests.workflow.preloaded import snakemake

CONFIG = """
task: own
cases: cases.tsv
device: cpu
tasks:
  own:
    budget: laptop
    directions: [ct-to-mr]
    labels: {liver: [1, Liver]}
    domains: {ct: {intensity: {percentile: 99.5}}, mr: {intensity: {percentile: 99.5}}}
    grid: {spacing: [1, 1, 2.5], size: 64}
"""
ROWS = [
    ("case", "domain", "image", "label", "split"),
    ("c0", "ct", "ct.nii.gz/0", "labels.nii.gz/0", "train"),
    ("c1", "ct", "ct.nii.gz/1", "labels.nii.gz/1", "train"),
    ("m0", "mr", "mr", "", "train"),
    ("m1", "mr", "mr1", "drawn.dcm", "test"),
]
BOX = [(4.5, 4.5), (15.5, 4.5), (15.5, 12.5), (4.5, 12.5)]
SHAPE = (6, 20, 24)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    volumes = rng.integers(0, 500, (24, 20, 6, 2)).astype(np.int16)
    labels = np.zeros(volumes.shape, np.uint8)
    labels[4:12, 5:10, 1:4, 0], labels[4:6, 5:10, 1:4, 1] = 1, 1
    affine = np.diag([-1, -1, 2.5, 1.0])
    nib.save(nib.Nifti1Image(volumes, affine), tmp_path / "ct.nii.gz")
    nib.save(nib.Nifti1Image(labels, affine), tmp_path / "labels.nii.gz")
    save_scan(tmp_path / "mr", shape=SHAPE)
    save_scan(tmp_path / "mr1", shape=SHAPE)
    structures = {5: ("liver", [contour(BOX, k) for k in (1, 2, 3)])}
    save_slice(make_rtstruct(structures), tmp_path / "drawn.dcm")
    (tmp_path / "cases.tsv").write_text("".join("\t".join(row) + "\n" for row in ROWS))
    (tmp_path / "own.yaml").write_text(CONFIG)
    return tmp_path


@pytest.mark.slow
def test_a_volume_of_a_4d_file_and_contours_reach_the_network_grid(folder):
    cases = {"ct/c0": 8 * 5 * 3, "ct/c1": 2 * 5 * 3, "mr/m1": 11 * 8 * 3}
    files = [f"results/own/cases/{case}/{file}" for case in cases for file in ("image.nii", "label.nii")]
    options = ("--configfile", str(folder / "own.yaml"), "--cores", "2", "results/own/checks.txt", *files)
    status, text = snakemake(folder, *options)
    assert status == 0, text
    assert "0 errors" in (folder / "results/own/checks.txt").read_text()
    for k in (0, 1):
        taken = nib.load(folder / f"results/own/cases/ct/c{k}/original_image.nii")
        given = nib.load(folder / "ct.nii.gz")
        np.testing.assert_array_equal(np.asarray(taken.dataobj), np.asarray(given.dataobj)[..., k])
        np.testing.assert_array_equal(taken.affine, given.affine)
    for case, voxels in cases.items():
        label = nib.load(folder / f"results/own/cases/{case}/label.nii")
        volume = np.count_nonzero(np.asarray(label.dataobj)) * np.prod(label.header.get_zooms())
        size = voxels * (0.7 * 0.9 * 2.5 if case == "mr/m1" else 2.5)
        assert volume == pytest.approx(size, rel=0.15), case
    status, text = snakemake(folder, "-n", *options)
    assert status == 0 and "Nothing to be done" in text, text


@pytest.mark.slow
def test_a_volume_that_is_not_there_is_named_before_anything_runs(folder):
    table = (folder / "cases.tsv").read_text()
    (folder / "cases.tsv").write_text(table.replace("ct.nii.gz/1", "absent.nii.gz/1"))
    status, text = snakemake(folder, "-n", "--configfile", str(folder / "own.yaml"), "--cores", "2")
    assert status == 1 and "DAR-019: case c1: image absent.nii.gz does not exist" in text
    (folder / "cases.tsv").write_text(table.replace("ct.nii.gz/1", "ct.nii.gz/2"))
    options = ("--configfile", str(folder / "own.yaml"), "--cores", "2", "results/own/checks.txt")
    status, text = snakemake(folder, *options)
    assert status == 1 and "ct.nii.gz/2: the file has 2 volumes, counted from 0; expected 0 to 1" in text
