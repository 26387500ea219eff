"""What the page is told of a run, and the voxels that it gets."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.volume import read_volume
from dar_uda.viewer.catalog import read_catalog
from dar_uda.viewer.volumes import nifti_bytes
from tests.data.dicom_files import PATIENT, write_series
from tests.viewer.runs import AFFINE, CODE, SHAPE, add_confidence, box, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def catalog(run):
    return read_catalog(run)


def image_of(catalog, number):
    return nib.Nifti1Image.from_bytes(nifti_bytes(catalog.volumes[number]()))


def test_a_case_has_its_scan_reference_masks_and_dice(catalog):
    case, unlabeled = catalog.page["cases"]
    assert (case["direction"], case["case"], case["window"]) == ("ct-to-mr", "m1", [-100, 900])
    assert [prediction["method"] for prediction in case["predictions"]] == ["dar_uda", "source_only"]
    assert case["predictions"][0]["dice"] == {"liver": 0.5, "spleen": None}
    assert not case["resampled"]
    assert unlabeled["reference"] is None
    assert unlabeled["predictions"][0]["dice"] == {}


def test_cases_come_the_least_sure_first_with_the_expected_dice_of_each_structure(run, tmp_path):
    """By the first method where the run names no reference row's; of another method each mask has its own."""
    shutil.copytree(run.parents[1], tmp_path / "copy")
    copy = tmp_path / "copy" / "results" / "tiny"
    add_confidence(copy)
    page = json.loads(json.dumps(read_catalog(copy).page))
    first, second = page["cases"]
    of_second = "Dice 0.50 with its masks of the scan brighter, darker or flipped"
    assert [(entry["case"], entry["first"], entry["doubt"]) for entry in (first, second)] == [
        ("m2", True, {"expected_dice": 0.25, "structure": "liver", "reason": "not found"}),
        ("m1", True, {"expected_dice": 0.5, "structure": "spleen", "reason": of_second}),
    ]
    assert page["verdicts"] == {
        "ct-to-mr": [
            "dar_uda: without labels, adaptation helped over source_only: expected Dice +0.350 [+0.250, +0.450] (95% t)"
        ]
    }
    assert second["predictions"][0]["expected_dice"] == {"liver": 0.75, "spleen": 0.5}
    assert second["predictions"][1]["expected_dice"] == {"liver": 0.0, "spleen": 0.0}


def test_a_run_without_confidence_keeps_the_order_of_its_cases_and_has_no_verdict(catalog):
    found = [(entry["case"], entry["first"], entry["doubt"]) for entry in catalog.page["cases"]]
    assert found == [("m1", False, None), ("m2", False, None)] and catalog.page["verdicts"] == {}


def test_the_scan_is_the_users_with_nothing_of_its_header_but_the_grid(catalog):
    image = image_of(catalog, catalog.page["cases"][0]["image"])
    assert image.get_data_dtype() == np.int16
    assert np.array_equal(np.asanyarray(image.dataobj), np.arange(np.prod(SHAPE)).reshape(SHAPE))
    assert np.allclose(image.affine, AFFINE)
    assert b"Doe" not in nifti_bytes(catalog.volumes[0]())


def test_a_mask_tells_the_inside_of_a_structure_from_its_outline(catalog):
    mask = np.asanyarray(image_of(catalog, catalog.page["cases"][0]["predictions"][1]["mask"]).dataobj)
    expected = box(1 + 2, (7, 5, 2)) - box(2, (8, 6, 2), size=2)  # of 4 x 4 voxels, the 2 x 2 in the middle are inside
    assert np.array_equal(mask, expected)


def test_a_reference_has_the_classes_of_the_run(catalog):
    reference = np.asanyarray(image_of(catalog, catalog.page["cases"][0]["reference"]).dataobj)
    assert np.array_equal(reference, box(1 + 2) - box(2, (6, 6, 2), size=2))


def test_probabilities_are_those_of_the_likeliest_structure_and_of_each(catalog):
    kept, none = catalog.page["cases"][0]["predictions"]
    assert none["probabilities"] == []
    voxels = [np.asanyarray(image_of(catalog, number).dataobj) for number in kept["probabilities"]]
    assert np.array_equal(voxels, [box(204), box(51), box(204)])


def test_a_synthetic_volume_stands_beside_its_source_with_its_code(catalog):
    (entry,) = catalog.page["synthetic"]
    assert [(style["style"], style["code"]) for style in entry["styles"]] == [(0, CODE), (1, [1, 2])]
    assert np.unique(image_of(catalog, entry["styles"][1]["volume"]).dataobj) == [0.75]
    assert np.unique(image_of(catalog, entry["source"]).dataobj) == [0]


def test_a_run_that_was_moved_shows_the_scan_on_the_network_grid(run, tmp_path):
    moved = run.rename(tmp_path / "elsewhere")
    try:
        case, _ = (catalog := read_catalog(moved)).page["cases"]
        assert case["resampled"]
        assert case["reference"] is None
        assert image_of(catalog, case["image"]).shape == (8, 8, 4)
    finally:
        moved.rename(run)


@pytest.mark.parametrize("linked", ["results", "results/tiny"])
def test_a_run_behind_a_link_shows_the_scan_itself(tmp_path, monkeypatch, linked):
    run = make_run(tmp_path / "project")
    (tmp_path / "project" / linked).rename(tmp_path / "scratch")
    (tmp_path / "project" / linked).symlink_to(tmp_path / "scratch")
    monkeypatch.chdir(tmp_path / "project")
    for given in (run, "results/tiny", "results/../results/tiny/", run.resolve()):
        case, _ = read_catalog(given).page["cases"]
        assert not case["resampled"] and case["reference"] is not None


def test_a_copied_run_shows_no_scan_of_another_project_whose_path_is_the_same(run, tmp_path, monkeypatch):
    other = make_run(tmp_path / "other").parents[1]
    shutil.copytree(run, other / "results" / "copied")
    for name in ("m1.nii.gz", "m1_label.nii.gz"):
        shutil.copy(other / "scans" / "m2.nii.gz", other / "scans" / name)
    monkeypatch.chdir(other)
    case = (catalog := read_catalog("results/copied")).page["cases"][0]
    for number in (case["image"], case["reference"]):
        with pytest.raises(ValueError, match=r"scans/m1.*\.nii\.gz is not what this run read"):
            catalog.volumes[number]()
    assert image_of(catalog, catalog.page["cases"][1]["image"]).shape == SHAPE


def test_a_dicom_series_is_given_without_its_patient(tmp_path):
    write_series(tmp_path / "series")
    content = nifti_bytes(read_volume(tmp_path / "series"))
    assert PATIENT.encode() not in content
    values = np.random.default_rng(0).integers(-1000, 2000, (5, 6, 8))  # what write_series draws
    voxels = np.asanyarray(nib.Nifti1Image.from_bytes(content).dataobj)
    assert voxels.shape == (8, 6, 5)
    assert np.array_equal(np.sort(voxels.ravel()), np.sort(values.ravel()))


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected results/RUN of a run that has made masks"):
        read_catalog(tmp_path)


def test_masks_of_a_version_with_other_names_are_not_shown(tmp_path):
    run = make_run(tmp_path)
    records = sorted(run.glob("seed-0/predictions/*/*.provenance.json"))
    for stale, shown in ((records[0], ["source_only"]), (records[1], None)):
        record = json.loads(stale.read_text())
        del record["format"]
        stale.write_text(json.dumps(record))
        if shown:
            predictions = read_catalog(run).page["cases"][0]["predictions"]
            assert [prediction["method"] for prediction in predictions] == shown
        else:
            with pytest.raises(
                ValueError, match=f"^DAR-326: {run} was made by a version of DAR-UDA that used other names"
            ):
                read_catalog(run)
