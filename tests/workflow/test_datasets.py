"""Miniatures of BTCV and CHAOS, from their folders through to scored masks."""

import gzip

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
CHAOS_GREYS = np.array([0, 63, 126, 189, 252], np.uint8)
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
        greys = CHAOS_GREYS + (NOT_EXACT if k % 2 else 0)
        grey = sitk.GetImageFromArray(greys.astype(np.uint8)[slice_])
        sitk.WriteImage(grey, str(patient / "Ground" / f"{name}.png"))
    return _loaded(label)


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
    files = [str(REPOSITORY / "config" / "datasets" / "btcv_chaos.yaml"), str(folder / "tiny.yaml")]
    options = ["--cores", "2", "--configfile", *files, "--config", "cases=cases.tsv", f"methods=[{request.param}]"]
    status, text = snakemake(folder, *options, "--", "all", *LABELS)
    assert status == 0, text
    (folder / "printed.txt").write_text(text)
    return folder, (mrs[0], cts[0])


def test_the_mask_lies_on_the_grid_of_the_dicom_series_and_is_scored(done):
    folder, (label, _) = done
    run = folder / "results" / "abdomen" / "seed-0"
    mask = nib.load(next(run.glob("predictions/ct-to-mr/*/chaos01.nii.gz")))
    np.testing.assert_allclose(_corner_centre(mask), _corner_centre(label), atol=1e-3)
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


def _corner_centre(image):
    """Return the mean of all voxel centres in mm: the same however the file orders its axes."""
    return image.affine @ [*(np.array(image.shape) - 1) / 2, 1]


@pytest.mark.parametrize("index", [1, 2, 3, 4])
@pytest.mark.parametrize("which", [0, 1], ids=["chaos", "btcv"])
def test_png_greys_and_btcv_values_become_the_phantoms_classes_at_their_place(done, which, index):
    folder, labels = done
    found, expected = (_size_and_place(file, index) for file in (nib.load(folder / LABELS[which]), labels[which]))
    assert found[0] == pytest.approx(expected[0], rel=0.15)
    np.testing.assert_allclose(found[1], expected[1], atol=4)  # mm; the tiny grid has voxels of 5.5 x 5.5 x 12 mm


def _size_and_place(image, index):
    """Return the volume in mm3 and the centre in mm of a class."""
    mask = np.asanyarray(image.dataobj) == index
    places = nib.affines.apply_affine(image.affine, np.argwhere(mask))
    return mask.sum() * abs(np.linalg.det(image.affine[:3, :3])), places.mean(axis=0)
