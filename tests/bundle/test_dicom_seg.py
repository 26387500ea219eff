"""The SEG of a series, read back by pydicom alone, in patient coordinates."""

import logging

import nibabel as nib
import numpy as np
import pydicom
import pytest

from dar_uda.bundle.dicom_seg import concepts, write_segmentation
from dar_uda.data.volume import Volume, read_grid, write_mask
from tests.data.dicom_files import COLUMNS, NAMES, ONE_STUDY, ORIGIN, PATIENT, ROWS, write_series, write_slice

STRUCTURES = ["liver", "vestibular_schwannoma_of_one_side", "left_kidney"]
AXIAL, FEET_UP = (np.array([1.0, 0, 0]), np.array([0, 1.0, 0])), (np.array([1.0, 0, 0]), np.array([0, -1.0, 0]))
SERIES = {  # directions, the steps along the normal of the files in the order of their names, a tilt's share of these
    "oblique": ((ROWS, COLUMNS), (0, 2.5, 5, 7.5, 10), 0),
    "files descend": (AXIAL, (10, 7.5, 5, 2.5, 0), 0),
    "normal points down": (FEET_UP, (5, 0, 10, 2.5, 7.5), 0),
    "gantry tilted": ((ROWS, COLUMNS), (0, 10, 2.5, 5, 7.5), 0.4),
}


def written(folder, kind, classes=4, **tags):
    """Write a series, a mask of it and its SEG; return the series' folder."""
    directions, steps, tilt = SERIES[kind]
    series = folder / "series"
    series.mkdir()
    for number, (name, step) in enumerate(zip(sorted(NAMES), steps, strict=True), start=1):
        position = ORIGIN + step * (np.cross(*directions) + tilt * directions[1])
        order = {"0020|0013": str(number)}
        write_slice(series / name, np.zeros((6, 8)), position, directions=directions, **{**ONE_STUDY, **order, **tags})
    grid = read_grid(series)
    array = np.random.default_rng(0).integers(0, classes, grid.shape).astype(np.uint8)
    write_mask(folder / "mask.nii.gz", array, grid)
    write_segmentation(folder / "mask.dcm", series, Volume(array, grid), STRUCTURES, "dar_uda")
    return series


def classes_in(path, affine, shape):
    """Return the classes of a SEG on the grid of a NIfTI file, by where DICOM's standard says its pixels lie."""
    seg = pydicom.dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    down, right = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    classes = np.zeros(shape, np.uint8)
    for pixels, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        r, c = np.nonzero(pixels)
        lps = corner + c[:, None] * right * row + r[:, None] * down * column
        places = (lps * [-1, -1, 1] - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
        np.testing.assert_allclose(places, places.round(), atol=1e-3)
        index = tuple(places.round().astype(int).T)
        assert not classes[index].any()
        classes[index] = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return classes


@pytest.mark.parametrize("kind", SERIES)
def test_it_is_the_nifti_mask_voxel_by_voxel_in_patient_coordinates(tmp_path, kind):
    written(tmp_path, kind)
    mask = nib.load(tmp_path / "mask.nii.gz")
    expected = np.asarray(mask.dataobj)
    assert set(np.unique(expected)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(classes_in(tmp_path / "mask.dcm", mask.affine, mask.shape), expected)


def test_it_belongs_to_the_patient_the_study_and_the_slices_it_was_made_of(tmp_path):
    series = written(tmp_path, "files descend")
    seg, slices = pydicom.dcmread(tmp_path / "mask.dcm"), [pydicom.dcmread(path) for path in series.iterdir()]
    for name in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[name].value == slices[0][name].value
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == slices[0].SeriesInstanceUID != seg.SeriesInstanceUID
    found = {entry.ReferencedSOPInstanceUID for entry in referenced.ReferencedInstanceSequence}
    assert found == {one.SOPInstanceUID for one in slices}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        (source,) = (one for one in slices if one.SOPInstanceUID == uid)
        assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
    assert [segment.SegmentLabel for segment in seg.SegmentSequence] == STRUCTURES
    algorithm = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "DAR-UDA" and algorithm.AlgorithmVersion == seg.SoftwareVersions


def test_structures_that_snomed_has_carry_its_codes_and_others_a_private_one():
    assert [tuple(code)[:2] for code in concepts("liver")] == [("91723000", "SCT"), ("10200004", "SCT")]
    assert [code.scheme_designator for code in concepts("cochlea")] == ["99DARUDA", "99DARUDA"]


def test_a_mask_without_any_structure_is_a_seg_without_any(tmp_path):
    written(tmp_path, "oblique", classes=1)
    assert not pydicom.dcmread(tmp_path / "mask.dcm").pixel_array.any()


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"0020|0052": ""}, "files without FrameOfReferenceUID"),
        ({"0010|0040": "MADE UP"}, r"makes no DICOM SEG of its headers \(ValueError\)"),
    ],
)
def test_headers_that_no_seg_can_refer_to_are_told_without_their_values(tmp_path, caplog, tags, message):
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match=message) as refused:
        written(tmp_path, "oblique", **tags)
    said = caplog.text + str(refused.value)
    assert not any(text in said for text in (PATIENT, "Planted", "MADE UP")) and not refused.value.__cause__
    assert not (tmp_path / "mask.dcm").exists()


def test_files_of_a_series_uid_each_are_no_series_to_refer_to(tmp_path):
    write_series(tmp_path / "series", **ONE_STUDY)
    grid = read_grid(tmp_path / "series")
    mask = Volume(np.zeros(grid.shape, np.uint8), grid)
    with pytest.raises(ValueError, match="found 5 of SeriesInstanceUID, expected one"):
        write_segmentation(tmp_path / "mask.dcm", tmp_path / "series", mask, STRUCTURES, "dar_uda")


def test_files_without_the_preamble_that_the_scan_was_read_without_are_read_here_too(tmp_path):
    write_series(tmp_path / "series", **ONE_STUDY, **{"0020|000e": "1.2.826.0.1.3680043.2.1125.1"})
    for path in (tmp_path / "series").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    grid = read_grid(tmp_path / "series")
    mask = Volume(np.ones(grid.shape, np.uint8), grid)
    write_segmentation(tmp_path / "mask.dcm", tmp_path / "series", mask, STRUCTURES, "dar_uda")
    assert pydicom.dcmread(tmp_path / "mask.dcm").pixel_array[:5].all()
