"""A finished method, exported and used on scans one at a time: the masks are the workflow's own."""

import json
import re
import shutil
from pathlib import Path
from textwrap import dedent

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk

from dar_uda import Segmenter
from dar_uda.cli.command import main
from tests.data.dicom_files import PATIENT, write_as_dicom

PAGE = Path(__file__).parents[2] / "docs" / "predict.md"
MASKS = "seed-0/predictions/ct-to-mr/source_only"
TABLES = ("volumes.tsv", "expected_dice.tsv")


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    """The finished run with the masks of one method alone, and without scores."""
    folder = shutil.copytree(finished.folder, tmp_path_factory.mktemp("run"), dirs_exist_ok=True)
    run = type(finished)(folder)
    shutil.rmtree(run.result("seed-0/metrics"))
    for path in run.result(MASKS).parent.iterdir():
        if not path.name.startswith("source_only"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return run


@pytest.fixture(scope="module")
def bundle(run):
    path = run.folder / "bundle"
    assert main(["export", str(run.result(MASKS)), "-o", str(path), "--license", "CC BY 4.0"]) == 0
    return path


def test_a_bundles_mask_is_the_workflows_voxel_by_voxel(run, bundle, tmp_path):
    scan = run.result("data/mr/mr2_image.nii.gz")
    assert main(["predict", str(bundle), str(scan), "-o", str(tmp_path), "--device", "cpu"]) == 0
    found, expected = nib.load(tmp_path / "mr2_image.nii.gz"), nib.load(run.result(f"{MASKS}/mr2.nii.gz"))
    assert np.asarray(found.dataobj).any()
    assert (np.asarray(found.dataobj) == np.asarray(expected.dataobj)).all()
    assert (found.affine == expected.affine).all()
    volumes = pd.read_csv(tmp_path / "volumes.tsv", sep="\t").set_index("structure")
    liver = np.count_nonzero(np.asarray(expected.dataobj) == 1)
    assert volumes.loc["liver", "voxels"] == liver
    assert volumes.loc["liver", "ml"] == pytest.approx(liver * np.prod(expected.header.get_zooms()) / 1000, rel=1e-3)


def test_the_argmax_of_its_probabilities_is_the_mask_but_for_the_components_cleaned_away(run, bundle, tmp_path):
    scan = run.result("data/mr/mr2_image.nii.gz")
    arguments = ["--device", "cpu", "--save-probabilities", "--tta"]
    assert main(["predict", str(bundle), str(scan), "-o", str(tmp_path), *arguments]) == 0
    found = nib.load(tmp_path / "probabilities" / "mr2_image.nii.gz")
    mask = np.asarray(nib.load(tmp_path / "mr2_image.nii.gz").dataobj)
    likeliest = found.get_fdata().argmax(axis=-1)
    single = json.loads((bundle / "bundle.json").read_text())["single_component"]
    assert found.shape == (*nib.load(scan).shape, 5) and (found.affine == nib.load(scan).affine).all()
    differing = likeliest != mask
    assert np.isin(likeliest[differing], single).all() and not mask[differing].any()
    assert (likeliest == mask)[~np.isin(likeliest, single)].all() and likeliest.any()


def test_a_dicom_series_gets_its_mask_as_nifti_and_as_seg_and_no_log_names_its_patient(run, bundle, tmp_path, capfd):
    series = tmp_path / "series"
    image = sitk.Cast(sitk.ReadImage(str(run.result("data/mr/mr2_image.nii.gz"))), sitk.sitkInt16)
    write_as_dicom(image, series, [f"{9 * k % 97:02}.dcm" for k in range(image.GetDepth())])
    assert main(["predict", str(bundle), str(series), "-o", str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"series.nii.gz", "series.dcm", *TABLES}
    seg, mask = pydicom.dcmread(tmp_path / "out" / "series.dcm"), nib.load(tmp_path / "out" / "series.nii.gz")
    assert seg.PatientName == PATIENT and seg.ManufacturerModelName == "source_only ct-to-mr"
    frames = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in seg.PerFrameFunctionalGroupsSequence
    ]
    for number, segment in enumerate(seg.SegmentSequence, start=1):
        voxels = sum(pixels.sum() for pixels, of in zip(seg.pixel_array, frames, strict=True) if of == number)
        assert voxels == np.count_nonzero(np.asarray(mask.dataobj) == number), segment.SegmentLabel
    assert "Planted" not in "".join(capfd.readouterr()) + (tmp_path / "out" / "volumes.tsv").read_text()


def test_the_runs_trainings_leave_no_checkpoint(run):
    assert list(run.folder.rglob("checkpoints")) == [] and list(run.folder.rglob("weights.safetensors"))


def test_a_bundle_holds_all_and_names_nothing_of_the_machine(run, bundle):
    assert {path.name for path in bundle.iterdir()} == {
        *("README.md", "bundle.json", "provenance.json", "weights.safetensors"),
    }
    facts = json.loads((bundle / "bundle.json").read_text())
    assert facts["license"] == "CC BY 4.0" and facts["domain"] == "mr" and facts["structures"][0] == "liver"
    assert abs(facts["slice_normal"][2]) > 0.95  # the phantom's scans are axial
    assert facts["adaptation"] is None  # source_only is the floor itself
    card = (bundle / "README.md").read_text()
    assert "Not evaluated" in card and "dar-uda predict FOLDER_OF_THIS_PAGE SCAN" in card
    assert "Run `phantom`, seed 0, budget `tiny`.\nAll its scans were generated by a formula" in card
    for path in bundle.glob("*.json"):
        assert str(run.folder) not in path.read_text() and "mr2" not in path.read_text()


def test_the_python_example_of_the_page_does_what_it_says(run, bundle, tmp_path, monkeypatch):
    (example,) = re.findall(r"^    from dar_uda import.*\n(?:    .*\n)+", PAGE.read_text(), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mr_abdomen").symlink_to(bundle)
    (tmp_path / "scan.nii.gz").symlink_to(run.result("data/mr/mr2_image.nii.gz"))
    exec(dedent(example), {})
    mask, expected = nib.load("mask.nii.gz"), nib.load(run.result(f"{MASKS}/mr2.nii.gz"))
    assert (np.asarray(mask.dataobj) == np.asarray(expected.dataobj)).all() and (mask.affine == expected.affine).all()
    assert nib.load("probabilities.nii.gz").shape == (*mask.shape, 5)


def test_it_warns_of_a_scan_of_the_other_modality(run, bundle, caplog):
    segmenter = Segmenter.load(bundle, "cpu")
    ct, mr = (run.result(f"data/{name}_image.nii.gz") for name in ("ct/ct0", "mr/mr0"))
    assert segmenter.distance(ct) > 1.2 > segmenter.distance(mr)
    segmenter.predict(ct)
    assert "ct0_image.nii.gz is out of distribution" in caplog.text


def test_it_warns_of_doubtful_values_as_check_does(run, bundle, tmp_path, caplog):
    scan = nib.load(run.result("data/mr/mr0_image.nii.gz"))
    array = np.asarray(scan.dataobj).copy()
    array[tuple(size // 2 for size in array.shape)] = 32767
    nib.save(nib.Nifti1Image(array, scan.affine, scan.header), tmp_path / "spoilt.nii.gz")
    Segmenter.load(bundle, "cpu").predict(tmp_path / "spoilt.nii.gz")
    assert "Images with voxels far beyond the others: " in caplog.text and "1 voxels from 32767" in caplog.text


def test_a_scan_that_cannot_be_read_does_not_stop_the_others(run, bundle, tmp_path, capsys, caplog):
    broken = tmp_path / "scans" / "broken.nii.gz"
    broken.parent.mkdir()
    broken.write_bytes(b"no image")
    (tmp_path / "scans" / "good.nii.gz").symlink_to(run.result("data/mr/mr2_image.nii.gz"))
    (tmp_path / "scans" / "series").mkdir()
    assert main(["predict", str(bundle), str(broken.parent), "-o", str(tmp_path / "masks"), "--device", "cpu"]) == 1
    assert "1 of 2 scans have no mask" in (said := capsys.readouterr().err) and "broken.nii.gz" in said
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {"good.nii.gz", *TABLES}
    assert main(["predict", str(bundle), str(broken), "-o", str(tmp_path / "none"), "--device", "cpu"]) == 1
    assert list((tmp_path / "none").iterdir()) == []
    assert f"Not read: {tmp_path / 'scans' / 'series'}, a folder in a folder of volume files" in caplog.text


def test_scans_that_come_one_at_a_time_share_a_folder(run, bundle, tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("mr0", "mr2", "mr0"):
        scan = str(run.result(f"data/mr/{name}_image.nii.gz"))
        assert main(["predict", str(bundle), scan, "-o", str(tmp_path), "--device", "cpu"]) == 0
    volumes = pd.read_csv(tmp_path / "volumes.tsv", sep="\t")
    structures = list(volumes["structure"].unique())
    named = [(scan, structure) for scan in ("mr2_image", "mr0_image") for structure in structures]
    assert list(zip(volumes["image"], volumes["structure"], strict=True)) == named
    assert f"Written: {tmp_path}, masks and volumes.tsv" in caplog.text


def moved(run, folder, how):
    """Return a run's folder of masks after its results were moved, and the folder from which to give it."""
    project = folder / "project"
    shutil.copytree(run.folder / "results", project / "results")
    if how == "results are a link":
        (project / "results").rename(folder / "scratch")
        (project / "results").symlink_to(folder / "scratch")
    elif how == "the run is a link":
        (project / "results" / "phantom").rename(folder / "scratch")
        (project / "results" / "phantom").symlink_to(folder / "scratch")
    elif how == "renamed":
        return (project / "results" / "phantom").rename(folder / "other") / MASKS, folder
    elif how == "given where it is":
        return Path("..", "phantom", MASKS), project / "results" / "phantom"
    elif how == "given with dots":
        return Path("results/phantom", MASKS, "..", "..", "..", "..", MASKS), project
    elif how == "one seed is a link":
        (project / "results" / "phantom" / "seed-0").rename(folder / "scratch")
        (project / "results" / "phantom" / "seed-0").symlink_to(folder / "scratch")
    return Path("results/phantom", MASKS), project


@pytest.mark.parametrize(
    "how",
    [
        *("copied", "renamed", "results are a link", "the run is a link", "one seed is a link"),
        *("given where it is", "given with dots"),
    ],
)
def test_a_run_is_exported_from_where_it_is_now(run, bundle, tmp_path, monkeypatch, how):
    masks, start = moved(run, tmp_path, how)
    monkeypatch.chdir(start)
    assert main(["export", str(masks), "-o", str(tmp_path / "new"), "--license", "CC BY 4.0"]) == 0
    for path in bundle.iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()


def test_a_run_of_which_a_part_is_missing_is_named(run, tmp_path, capsys):
    shutil.copytree(run.result("seed-0"), tmp_path / "run" / "seed-0")
    assert main(["export", str(tmp_path / "run" / MASKS), "-o", str(tmp_path / "new")]) == 1
    assert "does not exist; expected the whole run" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_table_of_an_earlier_version_is_named_where_it_lies(run, tmp_path, capsys):
    shutil.copytree(run.result("."), tmp_path / "run")
    metrics = tmp_path / "run" / "seed-0" / "metrics" / "ct-to-mr" / "source_only.tsv"
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text("case\tstructure\tdice\n")
    assert main(["export", str(tmp_path / "run" / MASKS), "-o", str(tmp_path / "new")]) == 1
    assert f"{metrics} has the columns" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_bundle_never_lies_among_masks(run, tmp_path, capsys):
    (tmp_path / "link").symlink_to(run.result(MASKS))
    for output in (run.result(MASKS) / "bundle", tmp_path / "link" / "below" / "bundle"):
        assert main(["export", str(run.result(MASKS)), "-o", str(output)]) == 1
        assert "would lie among the masks" in capsys.readouterr().err
    assert not (run.result(MASKS) / "bundle").exists()


def test_what_is_no_bundle_and_what_exists_are_refused(run, bundle, tmp_path, capsys):
    assert main(["predict", str(tmp_path), "scan.nii", "-o", str(tmp_path)]) == 1
    assert "expected a folder that `dar-uda export` wrote" in capsys.readouterr().err
    assert main(["export", str(run.result(MASKS)), "-o", str(bundle)]) == 1
    assert "expected a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("seed-0", "seed-0: predictions/ct-to-mr/source_only"),
        ("seed-0/predictions/ct-to-mr", "ct-to-mr: source_only"),
        ("seed-0/predictions/ct-to-mr/dar_uda", "ct-to-mr: source_only"),
        ("data", "none that is finished"),
    ],
)
def test_of_a_folder_that_is_no_methods_those_that_are_there_are_listed(run, tmp_path, capsys, given, found):
    assert main(["export", str(run.result(given)), "-o", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().err
    assert "expected results/RUN/seed-SEED/predictions/DIRECTION/METHOD of a finished run" in said
    assert f"{found}\n" in said
