"""Enhanced multi-frame files: read as the series of their frames."""

import traceback

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from dar_uda.data.dicom import series_order
from dar_uda.data.dicom.pixel_format import PixelFormat
from dar_uda.data.volume import is_series, read_grid, read_volume
from tests.data.dicom_files import COLUMNS, NORMAL, ORIGIN, PATIENT, ROWS, make_slice, save_series, save_slice
from tests.data.enhanced_files import item, make_enhanced
from tests.data.label_objects import save_scan

STORED = np.arange(24, dtype="<u2").reshape(3, 2, 4)
"""Three frames of two rows and four columns."""
UPWARD = [(0, 0, 0), (0, 0, 2.5), (0, 0, 5)]


def test_frames_are_ordered_by_place_and_rescaled_each_by_its_own_slope(tmp_path):
    down = [UPWARD[2], UPWARD[0], UPWARD[1]]
    path = save_slice(make_enhanced(STORED, down, slopes=(1, 2, 3)), tmp_path / "scan.dcm")
    volume = read_volume(path)
    np.testing.assert_allclose(volume.grid.affine, np.diag([-0.9, -0.7, 2.5, 1]), atol=1e-12)
    assert volume.grid.acquired == 2 and volume.array.dtype == np.int16
    expected = np.stack([STORED[1] * 2.0 - 10, STORED[2] * 3.0 - 10, STORED[0] - 10.0])
    np.testing.assert_array_equal(volume.array, expected.T)


def test_a_series_that_highdicom_converts_is_the_same_volume(tmp_path):
    rng = np.random.default_rng(0)
    slices = [
        make_slice(
            rng.integers(0, 4000, (6, 8)).astype("<u2"),
            RescaleIntercept="-1024",
            RescaleSlope="1",
            ImageOrientationPatient=[f"{value:.6f}" for value in (*ROWS, *COLUMNS)],
            **dict.fromkeys(("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "PatientBirthDate"), ""),
            **{
                "PatientSex": "",
                "SliceThickness": "2.5",
                "InstanceNumber": k + 1,
                "KVP": "120",
                "AcquisitionNumber": 1,
            },
            **{"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "FrameOfReferenceUID": "1.2.3"},
            **{"PositionReferenceIndicator": "", "StationName": "", "Manufacturer": "maker"},
        )
        for k in range(5)
    ]
    folder = tmp_path / "series"
    for k, one in enumerate(slices):
        one.ImagePositionPatient = [f"{value:.6f}" for value in ORIGIN + 2.5 * k * NORMAL]
        save_slice(one, folder / f"{k}.dcm")
    datasets = [pydicom.dcmread(folder / f"{k}.dcm") for k in (3, 0, 4, 1, 2)]
    uids = {"series_instance_uid": generate_uid(), "sop_instance_uid": generate_uid()}
    enhanced = hd.legacy.LegacyConvertedEnhancedCTImage(datasets, series_number=1, instance_number=1, **uids)
    (tmp_path / "alone").mkdir()
    enhanced.save_as(tmp_path / "alone" / "IM0")
    expected = read_volume(folder)
    for path in (tmp_path / "alone" / "IM0", tmp_path / "alone"):
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.array, expected.array)
        np.testing.assert_allclose(volume.grid.affine, expected.grid.affine, atol=1e-9)
        np.testing.assert_allclose(read_grid(path).affine, expected.grid.affine, atol=1e-9)
        assert is_series(path) and volume.grid.shape == (8, 6, 5)


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless])
def test_other_transfer_syntaxes_hold_the_same_frames(tmp_path, syntax):
    stored = np.random.default_rng(1).integers(0, 4096, (3, 32, 32)).astype("<u2")
    dataset = make_enhanced(stored, UPWARD)
    if syntax.is_compressed:
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.compress(syntax)
        dataset.file_meta.TransferSyntaxUID = syntax
    path = save_slice(dataset, tmp_path / "scan.dcm", None if syntax.is_compressed else syntax)
    np.testing.assert_array_equal(read_volume(path).array, stored.T)


def test_bits_of_frames_that_do_not_end_with_a_byte():
    """Three frames of three pixels: 101, 010 and 111 from the lowest bit on."""
    from dar_uda.data.dicom.pixels import _from_bytes

    pixels = PixelFormat("PixelData", 1, 3, 1, 1, 0, False, 1.0, 0.0)
    raw = bytes([0b11010101, 0b1])
    found = [frame.ravel().tolist() for frame in _from_bytes(raw, pixels, 3, "OB", True)]
    assert found == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]


def refused(path, message):
    with pytest.raises(ValueError, match=message) as raised:
        read_grid(path)
    assert PATIENT not in "".join(traceback.format_exception(raised.value))


def test_several_volumes_in_one_file_are_refused(tmp_path):
    stored = np.concatenate([STORED, STORED])
    path = save_slice(make_enhanced(stored, UPWARD * 2), tmp_path / "echoes.dcm")
    refused(path, "DAR-432: .*echoes.dcm holds 6 frames at 3 places")
    one = save_slice(make_enhanced(STORED[:1], UPWARD[:1]), tmp_path / "one.dcm")
    refused(one, "DAR-432: .*one.dcm holds 1 frames at 1 places")


def test_a_frame_that_is_missing_is_named_by_its_number(tmp_path):
    stored = np.concatenate([STORED, STORED[:1]])
    path = save_slice(make_enhanced(stored, [(0, 0, 0), (0, 0, 10), (0, 0, 2.5), (0, 0, 5)]), tmp_path / "scan.dcm")
    refused(path, "DAR-153.*found a step of 5 mm from 5.000 to 10.000 .*frame 4 to frame 2.* expected 2.5 mm")


@pytest.mark.parametrize("frames", [2, 4, 10**9, "3x"])
def test_a_number_of_frames_that_is_not_that_of_the_places_is_refused(tmp_path, frames):
    dataset = make_enhanced(STORED, UPWARD)
    dataset["NumberOfFrames"]._value = frames
    path = save_slice(dataset, tmp_path / "scan.dcm")
    refused(path, "DAR-430: .* says where 3 frames lie")


def test_fewer_pixels_than_frames_are_refused(tmp_path):
    path = save_slice(make_enhanced(STORED, UPWARD, PixelData=STORED[:2].tobytes()), tmp_path / "scan.dcm")
    refused(path, "DAR-144: .*holds 32 bytes of pixels, expected 48 for 3 frames of 2 rows of 4 pixels")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    content = save_slice(make_enhanced(STORED, UPWARD), tmp_path / "scan.dcm").read_bytes()
    for length in range(140, len(content), 17):
        (tmp_path / "scan.dcm").write_bytes(content[:length])
        refused(tmp_path / "scan.dcm", "scan.dcm")


def test_an_enhanced_file_among_others_is_to_be_named_itself(tmp_path):
    folder = save_series(tmp_path / "scan", [make_slice(STORED[0]) for _ in range(3)])
    path = save_slice(make_enhanced(STORED, UPWARD), folder / "enhanced.dcm")
    refused(folder, "DAR-431: .*enhanced.dcm is an enhanced .* name the file itself as image, or give it a folder of")
    assert read_grid(path).shape == (4, 2, 3)


def test_a_file_for_each_slice_is_asked_for_where_png_labels_need_one(tmp_path):
    save_slice(make_enhanced(STORED, UPWARD), tmp_path / "enhanced.dcm")
    with pytest.raises(
        ValueError, match="DAR-431: .*enhanced.dcm holds all slices, .*: give the series in its form of"
    ):
        series_order(tmp_path)


def test_a_frame_without_its_place_is_refused(tmp_path):
    dataset = make_enhanced(STORED, UPWARD)
    dataset.PerFrameFunctionalGroupsSequence[1] = item()
    path = save_slice(dataset, tmp_path / "scan.dcm")
    refused(path, "ImagePositionPatient holds '', expected 3 numbers")


def test_a_series_has_no_volumes_with_numbers(tmp_path):
    folder = save_scan(tmp_path / "scan.nii")
    for read in (read_volume, read_grid):
        with pytest.raises(ValueError, match="DAR-448: .*scan.nii is a DICOM series"):
            read(folder / "3")
