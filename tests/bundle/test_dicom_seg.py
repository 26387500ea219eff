"""The SEG of a series, read back by pydicom alone, in patient coordinates."""

import logging
import os

import nibabel as nib
import numpy as np
import pydicom
import pytest

from dar_uda.bundle.dicom_seg import concepts, write_segmentation
from dar_uda.bundle.predict import predict_scans
from dar_uda.data.volume import Volume, read_grid, write_mask
from tests.bundle.stub import StubSegmenter, write_scan
from tests.data.dicom_files import (
    COLUMNS,
    NAMES,
    ONE_STUDY,
    ORIGIN,
    PATIENT,
    ROWS,
    make_slice,
    save_slice,
    write_series,
    write_slice,
)

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
        ({"0010|0040": "MADE UP"}, r"makes no DICOM SEG of its headers \(ValueError\): .* PatientSex holds"),
        (
            {"0010|0030": "1950-01-01", "0008|0030": "12:30"},
            "what PatientBirthDate, StudyTime holds; correct or empty it",
        ),
    ],
)
def test_headers_that_no_seg_can_refer_to_are_told_without_their_values(tmp_path, caplog, tags, message):
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match=message) as refused:
        written(tmp_path, "oblique", **tags)
    said = caplog.text + str(refused.value)
    assert not any(text in said for text in (PATIENT, "Planted", "MADE UP")) and not refused.value.__cause__
    assert not (tmp_path / "mask.dcm").exists()


def seg_of(folder, change, count=4, step=2.5):
    """Write a series, each slice changed by a function, and its SEG; return the SEG as pydicom reads it."""
    for k in range(count):
        entries = {"PatientSex": "", "PatientBirthDate": "", "SliceThickness": "1", "SeriesInstanceUID": "1.2.3"}
        dataset = make_slice(np.zeros((6, 8), "<u2"), (0, 0, step * k), **entries)
        change(dataset)
        save_slice(dataset, folder / "series" / f"{k}.dcm")
    grid = read_grid(folder / "series")
    mask = Volume(np.ones(grid.shape, np.uint8), grid)
    write_segmentation(folder / "mask.dcm", folder / "series", mask, STRUCTURES, "dar_uda")
    return pydicom.dcmread(folder / "mask.dcm")


def changed(**entries):
    """Return a function that sets entries of a dataset; None takes one out."""

    def change(dataset):
        for keyword, value in entries.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize("thickness", [None, ""])
def test_the_thickness_that_headers_do_not_say_is_the_distance_of_the_slices(tmp_path, thickness):
    seg = seg_of(tmp_path, changed(SliceThickness=thickness))
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SliceThickness, measures.SpacingBetweenSlices) == (2.5, 2.5)


def test_a_seg_is_made_of_slices_whose_positions_are_rounded(tmp_path):
    def rounded(dataset):
        dataset.ImagePositionPatient = ["0", "0", f"{float(dataset.ImagePositionPatient[2]):.1f}"]

    seg = seg_of(tmp_path, rounded, count=12, step=0.625)
    assert seg.NumberOfFrames == 12 and seg.pixel_array.all()


def test_directions_whose_last_digits_differ_by_slice_are_one_stack_in_the_seg(tmp_path):
    def turned(dataset):
        share = float(dataset.ImagePositionPatient[2]) * 1e-6
        dataset.ImageOrientationPatient = ["1", f"{share:.7f}", "0", f"{-share:.7f}", "1", "0"]

    seg, grid = seg_of(tmp_path, turned), read_grid(tmp_path / "series")
    assert classes_in(tmp_path / "mask.dcm", grid.affine, grid.shape).all() and seg.NumberOfFrames == 4


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "M\u00fcller^S\u00f8ren"),
        ("ISO 2022 IR 100", "M\u00fcller"),
        ("ISO-IR 100", "M\u00fcller"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=\u6d2a^\u5409\u6d1e=\ud64d^\uae38\ub3d9"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "\uff94\uff8f\uff80\uff9e^\uff80\uff9b\uff73=\u5c71\u7530^\u592a\u90ce"),
        ("GB18030", "Wang^XiaoDong=\u738b^\u5c0f\u4e1c"),
        ("ISO_IR 144", "\u041b\u044e\u043ace"),
        ("ISO_IR 192", "\u738b^\u5c0f\u4e1c"),
        ("ISO_IR 999", "Nobody^Known"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_names_in_any_letters_are_those_of_the_series(tmp_path, charset, name):
    seg = seg_of(tmp_path, changed(SpecificCharacterSet=charset, PatientName=name))
    assert str(seg.PatientName) == name and seg.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 999"])
def test_letters_that_the_character_set_does_not_say_are_refused_by_the_entry(tmp_path, charset):
    def garbled(dataset):
        dataset.SpecificCharacterSet = charset
        dataset.PatientName = b"M\xfcller"

    with pytest.raises(ValueError, match="letters in PatientName that SpecificCharacterSet does not say"):
        seg_of(tmp_path, garbled)


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "StudyInstanceUID", "SOPInstanceUID", "Modality"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_entry_that_a_seg_must_refer_to_is_named_where_it_is_missing(tmp_path, keyword, value):
    def change(dataset):
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        changed(**{keyword: value})(dataset)

    with pytest.raises(ValueError, match=f"files without {keyword}; a DICOM SEG must refer to them"):
        seg_of(tmp_path, change)


@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "PatientSex", "PatientBirthDate"])
def test_an_entry_that_may_be_empty_may_be_absent(tmp_path, keyword):
    assert not seg_of(tmp_path, changed(**{keyword: None}))[keyword].value


def test_a_class_that_the_standard_does_not_have_is_named(tmp_path):
    with pytest.raises(ValueError, match="SOPClassUID is not one of DICOM's standard; a DICOM SEG must refer to it"):
        seg_of(tmp_path, changed(SOPClassUID="1.2.3.4"))


def test_sequences_of_the_series_are_decoded_and_without_private_entries(tmp_path):
    def change(dataset):
        code = pydicom.Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "\ud64d\uae38"
        for place in (dataset, code):
            place.private_block(0x9, "ACME", create=True).add_new(1, "LO", "secret")
        changed(SpecificCharacterSet=["", "ISO 2022 IR 149"], ProcedureCodeSequence=[code])(dataset)

    seg = seg_of(tmp_path, change)
    assert seg.ProcedureCodeSequence[0].CodeMeaning == "\ud64d\uae38"
    assert b"secret" not in (tmp_path / "mask.dcm").read_bytes()


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


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o644, 0o644)])
def test_what_is_made_of_a_series_is_readable_by_no_more_users_than_the_series(tmp_path, mode, expected):
    before = os.umask(0o022)
    try:
        series, out = written(tmp_path, "oblique"), tmp_path / "out"
        write_scan(tmp_path / "scan.nii.gz").chmod(0o644)
        tmp_path.chmod(0o755)
        for file in series.iterdir():
            file.chmod(mode)
        for scans in ([series], [tmp_path / "scan.nii.gz"]):
            predict_scans(StubSegmenter(tmp_path / "bundle"), scans, out, False, probabilities=True, slicer=True)
    finally:
        os.umask(before)
    modes = {str(path.relative_to(out)): path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()}
    assert modes.pop("volumes.tsv") == expected, "it has rows of both"
    names = "series.nii.gz", "series.dcm", "series.seg.nrrd", "probabilities/series.nii.gz"
    assert [modes.pop(name) for name in names] == [expected] * 4
    assert modes.keys() == {"scan.nii.gz", "scan.seg.nrrd", "probabilities/scan.nii.gz"}
    assert set(modes.values()) == {0o644}
