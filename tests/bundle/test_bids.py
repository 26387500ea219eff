"""Masks as BIDS derivatives: names, sidecars, and the dataset's own files."""

import json

import nibabel as nib
import pandas as pd
import pytest

from dar_uda.bundle.bids import BidsOutput
from dar_uda.bundle.predict import predict_scans
from tests.bundle.stub import StubSegmenter, files_below, voxels_of, write_scan

FACTS = {"method": "dar_uda", "direction": "ct-to-mr", "structures": ["organ"]}


@pytest.fixture
def segmenter(tmp_path):
    segmenter = StubSegmenter(tmp_path / "bundle")
    segmenter.facts |= FACTS
    return segmenter


def predict(segmenter, scans, output, **options):
    predict_scans(segmenter, scans, output, average=False, bids=True, **options)


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("raw/sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_seg-daruda_dseg.nii.gz"),
        ("raw/sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz", "sub-01/ses-a/anat/sub-01_ses-a_seg-daruda_dseg.nii.gz"),
        ("raw/sub-01/ct/sub-01_acq-x_run-2_ct.nii", "sub-01/ct/sub-01_acq-x_run-2_seg-daruda_dseg.nii.gz"),
        ("raw/sub-01/anat/sub-01_desc-clean_T1w.nii.gz", "sub-01/anat/sub-01_seg-daruda_desc-clean_dseg.nii.gz"),
        ("loose/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_seg-daruda_dseg.nii.gz"),
    ],
)
def test_a_mask_has_the_entities_of_its_scan_and_names_the_method(tmp_path, scan, mask):
    assert BidsOutput(tmp_path / "out", tmp_path / scan, FACTS).mask == tmp_path / "out" / mask


def test_a_dataset_of_derivatives(tmp_path, segmenter):
    raw = tmp_path / "raw"
    scan = write_scan(raw / "sub-01" / "anat" / "sub-01_T2w.nii.gz", 3)
    out = raw / "derivatives" / "dar_uda"
    predict(segmenter, [scan], out, probabilities=True)
    stem = "sub-01/anat/sub-01_seg-daruda_"
    names = {f"{stem}{end}" for end in ("dseg.nii.gz", "dseg.json", "probseg.nii.gz", "probseg.json")}
    top = {"dataset_description.json", ".bidsignore", "seg-daruda_dseg.tsv", "volumes.tsv"}
    assert set(files_below(out)) == names | top
    assert voxels_of(out / f"{stem}dseg.nii.gz") == 3 and nib.load(out / f"{stem}probseg.nii.gz").shape == (4, 4, 4, 2)
    description = json.loads((out / "dataset_description.json").read_text())
    assert {"Name", "BIDSVersion"} < set(description) and description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "DAR-UDA" and description["DatasetLinks"] == {"raw": "../.."}
    sidecar = json.loads((out / f"{stem}dseg.json").read_text())
    assert sidecar["Sources"] == ["bids:raw:sub-01/anat/sub-01_T2w.nii.gz"]
    assert json.loads((out / f"{stem}probseg.json").read_text())["LabelMap"] == ["background", "organ"]
    table = pd.read_csv(out / "seg-daruda_dseg.tsv", sep="\t")
    assert table[["index", "name"]].values.tolist() == [[0, "background"], [1, "organ"]]
    assert list(table["color"]) == ["#000000", "#E69F00"]
    rows = pd.read_csv(out / "volumes.tsv", sep="\t")
    assert rows.values.tolist() == [["sub-01_seg-daruda_dseg", "organ", 3, 3.0]]


def test_scans_that_come_later_are_added(tmp_path, segmenter):
    scans = [write_scan(tmp_path / "raw" / f"sub-{n}" / "anat" / f"sub-{n}_T2w.nii.gz", n) for n in (1, 2)]
    for scan in scans:
        predict(segmenter, [scan], tmp_path / "out", skip_done=True)
    predict(segmenter, scans, tmp_path / "out", skip_done=True)
    assert segmenter.calls == scans
    assert [voxels_of(path) for path in sorted((tmp_path / "out").glob("sub-*/anat/*.nii.gz"))] == [1, 2]


def refused(tmp_path, segmenter, scans, words):
    with pytest.raises(ValueError, match=words):
        predict(segmenter, [write_scan(tmp_path / scan) for scan in scans], tmp_path / "out")
    assert segmenter.calls == [] and not list((tmp_path / "out").glob("sub-*"))


@pytest.mark.parametrize("name", ["scan.nii.gz", "sub-01.nii.gz", "sub-01_T2 w.nii.gz", "sub-01_..nii.gz"])
def test_another_name_is_refused(tmp_path, segmenter, name):
    refused(tmp_path, segmenter, [name], "DAR-463: .*sub-01_ses-2_T2w.nii.gz")


def test_two_scans_of_one_mask_are_refused(tmp_path, segmenter):
    folder = "raw/sub-01/anat"
    refused(tmp_path, segmenter, [f"{folder}/sub-01_T1w.nii.gz", f"{folder}/sub-01_T2w.nii.gz"], "DAR-464: ")


def test_scans_of_two_datasets_are_refused(tmp_path, segmenter):
    refused(tmp_path, segmenter, [f"{d}/sub-{d}/anat/sub-{d}_T2w.nii.gz" for d in "ab"], "DAR-465: ")


def test_another_dataset_is_not_written_to(tmp_path, segmenter):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dataset_description.json").write_text('{"Name": "mine"}')
    refused(tmp_path, segmenter, ["raw/sub-1/anat/sub-1_T2w.nii.gz"], "DAR-466: ")
    assert (tmp_path / "out" / "dataset_description.json").read_text() == '{"Name": "mine"}'


@pytest.mark.parametrize(("name", "text"), [(".bidsignore", "*_mine.nii.gz\n"), ("dataset_description.json", "{")])
def test_files_of_the_users_dataset_are_not_written_over(tmp_path, segmenter, name, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(text)
    refused(tmp_path, segmenter, ["raw/sub-1/anat/sub-1_T2w.nii.gz"], f"DAR-466: .*{name} exists")
    assert (tmp_path / "out" / name).read_text() == text
