"""Miniatures of BTCV and CHAOS, from their folders through to scored masks; what re-runs when they change."""

import gzip
import os
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from tiny_run import CONFIG, REPOSITORY

from dar_uda.cli.command import main
from dar_uda.data.phantom import make_phantom
from tests.data.dicom_files import PATIENT, write_as_dicom
from tests.workflow.preloaded import snakemake

BTCV_VALUES = np.array([0, 6, 2, 3, 1], np.uint8)
CHAOS_GRAYS = np.array([0, 63, 126, 189, 252], np.uint8)
NOT_EXACT = np.array([0, 3, -7, 8, -4])
"""Within the ranges, as resaved PNGs have them."""

LABELS = ["results/abdomen/cases/mr/chaos01/label.nii", "results/abdomen/cases/ct/btcv02/label.nii"]


def write_btcv(folder, number, phantom):
    for name in ("img", "label"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    image, label = folder / "img" / f"img{number:04d}.nii.gz", folder / "label" / f"label{number:04d}.nii.gz"
    make_phantom("ct", phantom, image, label)
    classes = _loaded(label)
    nib.save(nib.Nifti1Image(BTCV_VALUES[np.asanyarray(classes.dataobj)], classes.affine), label)
    named = nib.load(image)
    named.header["descrip"] = named.header["aux_file"] = PATIENT.encode()
    named.header.extensions.append(nib.nifti1.Nifti1Extension("comment", PATIENT.encode()))
    nib.save(nib.Nifti1Image(np.asarray(named.dataobj), named.affine, named.header), image)
    return classes


def write_chaos(folder, number, phantom, scratch):
    """Write a phantom as DICOM under names in reverse of the slices, and its labels as PNG files in that order too."""
    image, label = scratch / "image.nii.gz", scratch / "label.nii.gz"
    make_phantom("mr", phantom, image, label)
    scan, classes = (sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS") for path in (image, label))
    patient = folder / "Train_Sets" / "MR" / str(number) / "T2SPIR"
    names = [f"IMG-0004-{number:05d}" for number in range(scan.GetDepth(), 0, -1)]
    write_as_dicom(scan, patient / "DICOM_anon", [f"{name}.dcm" for name in names])
    (patient / "Ground").mkdir()
    for k, (name, slice_) in enumerate(zip(names, sitk.GetArrayFromImage(classes), strict=True)):
        grays = CHAOS_GRAYS + (NOT_EXACT if k % 2 else 0)
        gray = sitk.GetImageFromArray(grays.astype(np.uint8)[slice_])
        sitk.WriteImage(gray, str(patient / "Ground" / f"{name}.png"))
    return _loaded(label)


def run(folder, method, *targets, options=()):
    """Run Snakemake on the sets in a folder; return its status and what it prints."""
    configs = (str(REPOSITORY / "config" / "datasets" / "btcv_chaos.yaml"), str(folder / "tiny.yaml"))
    config = ("cases=cases.tsv", f"methods=[{method}]")
    return snakemake(folder, *options, "--cores", "2", "--configfile", *configs, "--config", *config, "--", *targets)


def _loaded(path):
    """Return a NIfTI image that lives on when its file changes."""
    return nib.Nifti1Image(np.array(nib.load(path).dataobj), nib.load(path).affine)


@pytest.fixture(scope="module", params=["source_only", pytest.param("dar_uda", marks=pytest.mark.slow)])
def done(request, tmp_path_factory):
    """Return the folder of a finished run of a method on both sets, and the phantom's own label maps of `LABELS`."""
    folder, scratch = tmp_path_factory.mktemp("datasets"), tmp_path_factory.mktemp("scratch")
    cts = [write_btcv(folder / "BTCV", number, phantom) for number, phantom in ((2, 0), (3, 1))]
    mrs = [write_chaos(folder / "CHAOS", number, phantom, scratch) for number, phantom in ((1, 0), (2, 1), (3, 2))]
    table = str(folder / "cases.tsv")
    assert main(["cases", "btcv", str(folder / "BTCV"), "-o", table]) == 0
    assert main(["cases", "chaos", str(folder / "CHAOS"), "-o", table, "--append"]) == 0
    (folder / "tiny.yaml").write_text(CONFIG.replace("phantom:", "abdomen:") + "directions: [ct-to-mr]\n")
    status, text = run(folder, request.param, "all", *LABELS)
    assert status == 0, text
    (folder / "printed.txt").write_text(text)
    return folder, (mrs[0], cts[0])


def test_the_mask_lies_on_the_grid_of_the_dicom_series_and_is_scored(done):
    folder, (label, _) = done
    run = folder / "results" / "abdomen" / "seed-0"
    mask = nib.load(next(run.glob("predictions/ct-to-mr/*/chaos01.nii.gz")))
    np.testing.assert_allclose(_corner_center(mask), _corner_center(label), atol=1e-3)
    assert sorted(mask.shape) == sorted(label.shape)
    metrics = pd.read_csv(next(run.glob("metrics/ct-to-mr/*.tsv")), sep="\t")
    assert list(metrics["case"].unique()) == ["chaos01"] and (metrics["status"] != "absent").all()


def test_no_name_of_a_patient_reaches_anything_that_is_made(done):
    folder, _ = done
    word, holding, read = PATIENT.partition("^")[0].encode(), set(), 0
    for path in folder.rglob("*"):
        if path.is_file():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            read += 1
            if word in content:
                holding.add(path.relative_to(folder).parts[0])
    assert read > 100
    assert holding == {"BTCV", "CHAOS"}  # where it was planted: in NIfTI and in DICOM


def _corner_center(image):
    """Return the mean of all voxel centers in mm: the same however the file orders its axes."""
    return image.affine @ [*(np.array(image.shape) - 1) / 2, 1]


@pytest.mark.parametrize("index", [1, 2, 3, 4])
@pytest.mark.parametrize("which", [0, 1], ids=["chaos", "btcv"])
def test_png_grays_and_btcv_values_become_the_phantoms_classes_at_their_place(done, which, index):
    folder, labels = done
    found, expected = (_size_and_place(file, index) for file in (nib.load(folder / LABELS[which]), labels[which]))
    assert found[0] == pytest.approx(expected[0], rel=0.15)
    np.testing.assert_allclose(found[1], expected[1], atol=4)  # mm; the tiny grid has voxels of 5.5 x 5.5 x 12 mm


def _size_and_place(image, index):
    """Return the volume in mm3 and the center in mm of a class."""
    mask = np.asanyarray(image.dataobj) == index
    places = nib.affines.apply_affine(image.affine, np.argwhere(mask))
    return mask.sum() * abs(np.linalg.det(image.affine[:3, :3])), places.mean(axis=0)


@pytest.fixture
def copy(done, tmp_path):
    """A copy of a finished run with its sets; it has no method but `source_only`, which makes the least."""
    folder = shutil.copytree(done[0], tmp_path / "copy")
    methods = [path.stem for path in folder.glob("results/abdomen/seed-0/metrics/ct-to-mr/*.tsv")]
    if methods != ["source_only"]:
        pytest.skip("the run of another method")
    return folder


def planned(folder, *targets):
    """Return the rules that a dry run would run."""
    status, text = run(folder, "source_only", *targets, options=("-n", "--quiet", "host"))
    assert status == 0, text
    return {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith(("rule ", "localrule "))}


def series(folder, number):
    return folder / "CHAOS" / "Train_Sets" / "MR" / str(number) / "T2SPIR"


def replace(path, content):
    """Replace a file by another of an old date, as rsync -a leaves it."""
    new = path.with_name(f".new-{path.name}")
    new.write_bytes(content)
    os.utime(new, (1.6e9, 1.6e9))
    new.replace(path)


def test_what_is_no_slice_reruns_nothing_nor_do_files_that_were_touched(copy):
    for number in (1, 2, 3):
        for name in (".DS_Store", "._IMG-0004-00001.dcm", "DICOMDIR", "Thumbs.db", "preview.jpg"):
            (series(copy, number) / "DICOM_anon" / name).write_bytes(b"anything")
    assert planned(copy, "all", *LABELS) == set()
    for path in [*(copy / "CHAOS").rglob("*"), *(copy / "BTCV").rglob("*")]:
        os.utime(path)
    assert planned(copy, "all", *LABELS) == set()


def test_a_changed_slice_reruns_what_depends_on_it_however_old_its_date(copy):
    slices = sorted((series(copy, 2) / "DICOM_anon").iterdir())
    content = bytearray(slices[0].read_bytes())
    content[-2:] = b"\x07\x00"  # its last pixel
    replace(slices[0], content)
    image = "results/abdomen/cases/mr/chaos02/image.nii"
    assert planned(copy) == {"check_cases", "write_report", "all"}  # source_only trains on no image of the target
    assert planned(copy, image) == {"preprocess_case"}
    status, text = run(copy, "source_only", image, "results/abdomen/checks.txt")
    assert status == 0, text
    assert planned(copy, image, "results/abdomen/checks.txt") == set()


def test_a_corrected_label_reruns_what_learns_from_it_however_old_its_date(copy):
    path = copy / "BTCV" / "label" / "label0002.nii.gz"
    label = nib.load(path)
    values = np.where(np.asanyarray(label.dataobj) == 1, 6, np.asanyarray(label.dataobj))
    replace(path, gzip.compress(nib.Nifti1Image(values, label.affine, label.header).to_bytes()))
    again = planned(copy)
    assert {"check_cases", "preprocess_label", "train_segmenter", "predict_cases", "score_method", "tabulate"} <= again
    assert "preprocess_case" not in again


def test_a_corrected_label_of_a_test_case_is_scored_again_and_no_more(copy):
    pngs = sorted((series(copy, 1) / "Ground").iterdir())
    replace(pngs[0], pngs[len(pngs) // 2].read_bytes())
    assert planned(copy) >= {"check_cases", "score_method", "tabulate", "draw_overlays", "draw_extremes"}
    assert not planned(copy) & {"preprocess_case", "train_segmenter", "predict_cases"}
