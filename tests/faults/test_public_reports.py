"""What went wrong in other tools, as their public reports tell it, made here from scratch: one test a report."""

import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dar_uda.cli.command import main
from dar_uda.data.geometry import spacing_of
from dar_uda.data.labels import map_labels
from dar_uda.data.volume import read_volume
from dar_uda.evaluation.score import COLUMNS, read_metrics
from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.preprocessing.settings import Preprocessing
from dar_uda.training.checkpoint import CheckpointFolder

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"


def dicom(stored, position, **entries):
    """Return an MR slice of stored values (rows, columns); further header entries by keyword."""
    slice_ = Dataset()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.SOPClassUID, slice_.SOPInstanceUID, slice_.SeriesInstanceUID = MR, generate_uid(), "1.2.3"
    slice_.Modality, slice_.PhotometricInterpretation, slice_.SamplesPerPixel = "MR", "MONOCHROME2", 1
    slice_.Rows, slice_.Columns = stored.shape[-2:]
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
    slice_.PixelRepresentation = int(stored.dtype.kind == "i")
    slice_.ImagePositionPatient, slice_.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    slice_.PixelSpacing = [0.7, 0.7]
    slice_.update(entries_of(entries))
    slice_.file_meta.MediaStorageSOPClassUID = slice_.SOPClassUID
    slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
    slice_.PixelData = stored.astype(f"<{stored.dtype.kind}2").tobytes()
    slice_["PixelData"].VR = "OW"
    return slice_


def entries_of(entries):
    dataset = Dataset()
    for name, value in entries.items():
        setattr(dataset, name, value)
    return dataset


def save(slices, folder):
    folder.mkdir(parents=True)
    for number, slice_ in enumerate(slices):
        slice_.save_as(folder / f"{number:03}.dcm", enforce_file_format=True)
    return folder


def write_nifti(path, array, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def test_an_enhanced_series_of_interleaved_stacks_is_refused_by_name(tmp_path):
    """rordenlab/dcm2niix#839: one file, three stacks whose frames are out of order, read as if in order."""
    frames = np.zeros((6, 4, 4), np.uint16)
    file = dicom(frames, (0, 0, 0), SOPClassUID=ENHANCED_MR, NumberOfFrames=6)
    folder = save([file, dicom(frames, (0, 0, 9), SOPClassUID=ENHANCED_MR, NumberOfFrames=6)], tmp_path / "mr")
    with pytest.raises(ValueError, match=r"00\d\.dcm.*6 frames"):
        read_volume(folder)


def test_a_series_whose_first_slice_has_a_whole_slope_keeps_the_fractions_of_the_others(tmp_path):
    """SimpleITK/SimpleITK#1636: the first slice decides the type; 4.5 of a later one becomes 4."""
    stored = np.full((4, 4), 9, np.uint16)
    slopes = ("1", "0.5", "0.25")
    slices = [dicom(stored, (0, 0, 3 * k), RescaleSlope=slope, RescaleIntercept="0") for k, slope in enumerate(slopes)]
    assert read_volume(save(slices, tmp_path / "pet")).array[0, 0].tolist() == [9, 4.5, 2.25]


def test_rows_and_columns_keep_their_own_spacing(tmp_path):
    """icometrix/dicom2nifti#37, BIC-MNI/minc#8: PixelSpacing is (between rows, between columns), not (x, y)."""
    slices = [dicom(np.zeros((4, 6), np.uint16), (0, 0, 3 * k), PixelSpacing=[2.0, 0.5]) for k in range(3)]
    grid = read_volume(save(slices, tmp_path / "mr")).grid
    assert grid.shape == (6, 4, 3)
    assert spacing_of(grid.affine) == pytest.approx((0.5, 2.0, 3.0))


def test_a_real_world_value_map_is_not_taken_for_the_rescale(tmp_path):
    """UCL/STIR#1123: GDCM scales by RealWorldValueMappingSequence where a modality has no rescale of its own."""
    mapping = entries_of(
        {
            "RealWorldValueFirstValueMapped": 0,
            "RealWorldValueLastValueMapped": 65535,
            "RealWorldValueIntercept": 7.0,
            "RealWorldValueSlope": 0.001,
            "LUTLabel": "counts",
        }
    )
    stored = np.arange(16, dtype=np.uint16).reshape(4, 4)
    slices = [dicom(stored, (0, 0, 3 * k), RealWorldValueMappingSequence=[mapping]) for k in range(3)]
    np.testing.assert_array_equal(read_volume(save(slices, tmp_path / "mr")).array[..., 0], stored.T)


def test_a_missing_slice_and_a_position_of_nonsense_are_refused_by_file(tmp_path):
    """rordenlab/dcm2niix#539: one step of 2.4 among steps of 1.2 mm, then a position of 3.4e9."""
    steps = [1.2 * k for k in range(20) if k != 12]
    stored = np.zeros((4, 4), np.uint16)
    folder = save([dicom(stored, (0, 0, round(step, 4))) for step in steps], tmp_path / "gap")
    with pytest.raises(ValueError, match=r"011\.dcm to 012\.dcm"):
        read_volume(folder)
    folder = save([dicom(stored, (0, 0, step)) for step in [0, 1.2, 2.4, 3.6, 3.42362e9]], tmp_path / "nonsense")
    with pytest.raises(ValueError, match=r"004\.dcm"):
        read_volume(folder)


def test_signed_values_are_rescaled(tmp_path):
    """imagej/ImageJ#51: signed pixel data had its slope and intercept left out."""
    stored = np.array([[-1000, -1], [0, 500]], np.int16)
    slices = [dicom(stored, (0, 0, 3 * k), RescaleSlope="2", RescaleIntercept="-24") for k in range(3)]
    assert read_volume(save(slices, tmp_path / "pet")).array[..., 0].T.tolist() == [[-2024, -26], [-24, 976]]


def test_labels_a_rounding_away_from_whole_numbers_keep_their_class_and_others_are_refused():
    """nipreps/petprep#152, Project-MONAI/MONAI#2746: 7014.9999 truncated to 7014, 0.9999999 to 0."""
    values = np.array([0, 0.9999999, 7014.9999, 7015.0001])
    assert map_labels(values, [[1], [7015]]).tolist() == [0, 1, 2, 2]
    with pytest.raises(ValueError, match="whole numbers"):
        map_labels(np.array([0, 7000.977]), [[7001]])


def test_the_label_of_a_session_that_has_no_scan_goes_to_no_other(tmp_path, capsys):
    """ExploreASL/ExploreASL#1318, #628: where session 1 is missing, session 2 was taken for it."""
    scan = np.random.default_rng(0).integers(0, 99, (6, 6, 5)).astype(np.int16)
    for subject, sessions in (("a", ("2",)), ("b", ("1", "2"))):
        for session in sessions:
            name = f"sub-{subject}/ses-{session}/anat/sub-{subject}_ses-{session}_T1w.nii.gz"
            write_nifti(tmp_path / "set" / name, scan, np.eye(4))
        name = f"derivatives/x/sub-{subject}/ses-1/anat/sub-{subject}_ses-1_dseg.nii.gz"
        write_nifti(tmp_path / "set" / name, (scan > 50).astype(np.uint8), np.eye(4))
    assert main(["cases", "bids", str(tmp_path / "set"), "-o", str(tmp_path / "cases.tsv")]) == 0, capsys.readouterr()
    rows = pd.read_csv(tmp_path / "cases.tsv", sep="\t", keep_default_na=False)
    assert {row.case: bool(row.label) for row in rows.itertuples()} == {
        "sub-a_ses-2": False,
        "sub-b_ses-1": True,
        "sub-b_ses-2": False,
    }


def test_slices_follow_the_axis_that_the_header_names(tmp_path):
    """nipy/dmriprep#32: the slice axis was taken for granted where the header's dim_info says it."""
    image = nib.Nifti1Image(np.random.default_rng(0).integers(0, 99, (8, 20, 20)).astype(np.int16), np.eye(4))
    image.header.set_dim_info(freq=2, phase=1, slice=0)
    nib.save(image, tmp_path / "scan.nii.gz")
    written = {"image": tmp_path / "image.nii", "grid": tmp_path / "grid.json"}
    settings = Preprocessing(spacing=(1.0, 1.0, 1.0), size=20, intensity={"percentile": 99.5})
    preprocess_image("scan", tmp_path / "scan.nii.gz", **written, settings=settings)
    assert nib.load(tmp_path / "image.nii").shape == (20, 20, 8)


def test_padding_is_not_mixed_into_what_lies_beside_it(tmp_path):
    """rordenlab/dcm2niix#262: interpolation between padding and patient made values that nothing has."""
    array = np.full((24, 24, 6), 40, np.int16)
    array[:8] = -1000
    array += np.random.default_rng(0).integers(-10, 10, array.shape, np.int16)
    padded = array.copy()
    padded[:2] = 3071
    results = []
    for name, values in (("plain", array), ("padded", padded)):
        scan = write_nifti(tmp_path / name / "scan.nii.gz", values, np.diag([2.0, 2.0, 5.0, 1.0]))
        written = {"image": tmp_path / name / "image.nii", "grid": tmp_path / name / "grid.json"}
        settings = Preprocessing(spacing=(1.5, 1.5, 5.0), size=32, intensity={"window": (-350, 350)})
        preprocess_image(name, scan, **written, settings=settings)
        results.append(np.asarray(nib.load(written["image"]).dataobj))
    np.testing.assert_allclose(results[0], results[1], atol=0.025)


def test_a_case_called_00345_is_found_again_in_its_scores(tmp_path):
    """ZauggGroup/DeePiCt#18: leading zeros of a name are lost when its table is read, and the case with them."""
    rows = [COLUMNS, *([case, "liver", *["0.5"] * (len(COLUMNS) - 3), "ok"] for case in ("00345", "1e5", "NA"))]
    (tmp_path / "m.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    assert read_metrics(tmp_path / "m.tsv")["case"].tolist() == ["00345", "1e5", "NA"]


def test_a_job_bound_to_one_core_starts_one_process():
    """brockpalen/archivetar#8: the count of processes ignored what the queue allows."""
    one = min(os.sched_getaffinity(0))
    code = "from dar_uda.jobs.cores import usable_cores; print(usable_cores())"
    done = subprocess.run(
        ["taskset", "-c", str(one), sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]


def test_a_pointer_of_git_lfs_is_told_from_a_volume(tmp_path):
    """neheller/kits19#5: cloned without git-lfs, imaging.nii.gz is a text of three lines."""
    path = tmp_path / "imaging.nii.gz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(ValueError, match=r"imaging\.nii\.gz.*git"):
        read_volume(path)


def test_a_checkpoint_folder_that_cannot_be_removed_ends_no_training(tmp_path, monkeypatch):
    """PrimeIntellect-ai/prime-rl#1763, huggingface/transformers#17265: NFS keeps a file that is open."""

    def refuse(*_, **__):
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with CheckpointFolder(tmp_path / "checkpoints", "x") as checkpoints:
        checkpoints.save({"step": 1})
    with CheckpointFolder(tmp_path / "checkpoints", "y") as checkpoints:
        assert checkpoints.load(torch.device("cpu")) is None


def test_a_spect_volume_of_many_frames_in_one_file_is_refused_by_name(tmp_path):
    """MRtrix3/mrtrix3#2769: NM files of one volume read with wrong dimensions."""
    file = dicom(np.zeros((5, 4, 4), np.uint16), (0, 0, 0), SOPClassUID="1.2.840.10008.5.1.4.1.1.20", NumberOfFrames=5)
    file.Modality = "NM"
    folder = save([file, dicom(np.zeros((4, 4), np.uint16), (0, 0, 3))], tmp_path / "nm")
    with pytest.raises(ValueError, match=r"000\.dcm"):
        read_volume(folder)


def test_pydicom_reads_what_these_tests_write(tmp_path):
    folder = save([dicom(np.arange(16, dtype=np.uint16).reshape(4, 4), (0, 0, 0))], tmp_path / "one")
    assert pydicom.dcmread(folder / "000.dcm").pixel_array[1, 2] == 6
