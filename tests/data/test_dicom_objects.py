"""DICOM files that are not images of a series, each refused as what it is."""

import gzip
import struct
import traceback

import numpy as np
import pytest

from dar_uda.data.dicom import read_series
from dar_uda.data.volume import read_grid, read_label, read_volume
from tests.data.dicom_files import CT, PATIENT, make_slice, save_series, save_slice

RTSTRUCT, SEG = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.5.1.4.1.1.66.4"
NO_PIXELS = dict.fromkeys(("PixelData", "Rows", "Columns"))
PIXELS = np.zeros((4, 5), "<u2")
LABEL = "which holds no image: name the file itself as label of its series"


def series(folder):
    return save_series(folder, [make_slice(PIXELS + k) for k in range(3)])


def rtstruct(**entries):
    return make_slice(PIXELS, **{"SOPClassUID": RTSTRUCT, "Modality": "RTSTRUCT", **NO_PIXELS, **entries})


def seg(**entries):
    return make_slice(PIXELS, **{"SOPClassUID": SEG, "Modality": "SEG", "NumberOfFrames": 2, **entries})


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        (rtstruct(), "RTSTRUCT"),
        (seg(), "SEG"),
        (seg(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.7"), "SEG"),
        (rtstruct(SOPClassUID="1.2.3"), "RTSTRUCT"),
        (seg(Modality=None), "SEG"),
    ],
)
def test_contours_and_segments_are_refused_as_what_they_are_wherever_they_are_given(tmp_path, dataset, kind):
    scan = series(tmp_path / "scan")
    file = save_slice(dataset, tmp_path / "drawn.dcm")
    folder = save_slice(dataset, tmp_path / "drawn" / "1.dcm").parent
    for read in (read_volume, read_grid):
        for path in (file, folder):
            with pytest.raises(ValueError, match=rf"{path.name}.* is a DICOM {kind}, {LABEL}"):
                read(path)
    with pytest.raises(ValueError, match=rf"1.dcm is a DICOM {kind}, {LABEL}"):
        read_label(folder, scan)
    save_slice(dataset, scan / "drawn.dcm")
    with pytest.raises(ValueError, match=rf"scan/drawn.dcm is a DICOM {kind}, .* out of the folder of images"):
        read_grid(scan)


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR Storage"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection Document Storage"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State Storage"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RT Plan Storage"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage"),
    ],
)
def test_an_object_without_an_image_is_named(tmp_path, uid, name):
    scan = series(tmp_path / "scan")
    path = save_slice(make_slice(PIXELS, SOPClassUID=uid, Modality="OT", **NO_PIXELS), scan / "other.dcm")
    message = f"other.dcm is a DICOM object of the class '{name}', which holds no image: move it away"
    for place in (scan, path):
        with pytest.raises(ValueError, match=message):
            read_grid(place)


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("0.dcm.gz", gzip.compress, "is packed with gzip: unpack it"),
        ("0.dcm", gzip.compress, "is packed with gzip: unpack it"),
        ("0.dcm", lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        ("0.dcm", lambda _: b"/annex/objects/SHA256E-s9--0.dcm\n", "git annex get"),
        ("0.dcm", lambda _: b"<!DOCTYPE html><html>sign in</html>", "download it again"),
        ("series.xml", lambda _: b"<?xml version='1.0'?><series/>", "move it away"),
        ("notes.doc", lambda _: b"\xd0\xcf\x11\xe0" + bytes(600), "move it away"),
    ],
)
def test_a_packed_slice_a_pointer_and_a_stray_file_have_each_their_remedy(tmp_path, name, changed, told):
    folder = series(tmp_path / "scan")
    content = next(folder.iterdir()).read_bytes()
    (folder / name).write_bytes(changed(content))
    with pytest.raises(ValueError, match=f"{name} .*{told}"):
        read_volume(folder)


def test_a_dicomdir_is_passed_over(tmp_path):
    scan = series(tmp_path / "scan")
    save_slice(make_slice(PIXELS, SOPClassUID="1.2.840.10008.1.3.10", **NO_PIXELS), scan / "DICOMDIR")
    assert read_volume(scan).grid.shape == (5, 4, 3)


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "0.JPG", "preview.png", "._0.dcm"])
def test_thumbnails_and_hidden_files_are_passed_over(tmp_path, name):
    scan = series(tmp_path / "scan")
    (scan / name).write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    assert read_volume(scan).grid.shape == (5, 4, 3)


@pytest.mark.parametrize("name", ["1.dcm", "IM0001", "scan.nii"])
def test_one_file_of_a_series_is_refused_with_the_remedy(tmp_path, name):
    path = save_slice(make_slice(PIXELS), tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is one DICOM file: give its folder"):
        read_volume(path)


@pytest.mark.parametrize(
    ("uid", "modality"),
    [
        *(("1.2.840.10008.5.1.4.1.1.2", "CT"), ("1.2.840.10008.5.1.4.1.1.4", "MR"), ("1.2.3.4", "CT"), (None, None)),
        *(("1.2.840.10008.5.1.4.1.1.128", "PT"), ("1.2.840.10008.5.1.4.1.1.20", "NM")),
        *(("1.2.840.10008.5.1.4.1.1.7", "OT"), ("1.2.840.10008.5.1.4.1.1.6.1", "US")),
        *(("1.2.840.10008.5.1.4.1.1.1", "CR"), ("1.2.840.10008.5.1.4.1.1.1.1", "DX")),
        *(("1.2.840.10008.5.1.4.1.1.12.1", "XA"), ("1.2.840.10008.5.1.4.1.1.12.2", "RF")),
        *(("1.2.840.10008.5.1.4.1.1.481.1", "RTIMAGE"), ("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE")),
        *(("1.2.840.10008.5.1.4.1.1.13.1.3", "MG"), ("1.2.840.10008.5.1.4.1.1.2.2", "CT")),
    ],
)
def test_whatever_its_class_a_slice_lies_where_its_header_says(tmp_path, uid, modality):
    """Other sizes of pixels, which some classes have too, do not count: those of a detector or a film."""
    entries = {
        "ImagerPixelSpacing": [0.1, 0.2],
        "NominalScannedPixelSpacing": [0.3, 0.4],
        "ImagePlanePixelSpacing": [0.5, 0.6],
        "PixelAspectRatio": [1, 2],
        "SliceThickness": 9,
        "SpacingBetweenSlices": 7,
        "SliceLocation": -5,
        "GridFrameOffsetVector": [0],
    }
    slices = [make_slice(PIXELS + k, SOPClassUID=uid, Modality=modality, **entries) for k in range(3)]
    for one in slices:
        one.file_meta.MediaStorageSOPClassUID = uid or CT
    volume = read_volume(save_series(tmp_path / "scan", slices))
    np.testing.assert_allclose(volume.grid.affine, np.diag([-0.9, -0.7, 2.5, 1]), atol=1e-12)
    np.testing.assert_array_equal(volume.array, np.broadcast_to([0, 1, 2], (5, 4, 3)))


def test_directions_of_few_digits_do_not_change_the_size_of_pixels(tmp_path):
    directions = ["0.71", "0.71", "0", "-0.71", "0.71", "0"]  # of length 1.004
    slices = [make_slice(PIXELS, ImageOrientationPatient=directions) for _ in range(3)]
    affine = read_grid(save_series(tmp_path / "scan", slices)).affine
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), [0.9, 0.7, 2.5], rtol=1e-12)


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_a_slice_that_does_not_say_where_it_lies_is_refused_by_the_entry(tmp_path, keyword):
    slices = [make_slice(PIXELS, ImagerPixelSpacing=[0.1, 0.2]) for _ in range(3)]
    folder = save_series(tmp_path / "scan", slices)
    delattr(slices[1], keyword)
    save_slice(slices[1], folder / "001.dcm")
    with pytest.raises(
        ValueError, match=rf"001.dcm: tag \(.*\) {keyword} holds '', expected \d numbers that say where"
    ):
        read_grid(folder)


def test_messages_on_damaged_lengths_hold_nothing_of_other_entries(tmp_path):
    """Each length is made so large that the entry swallows those behind it, among them a person's name."""
    path = save_slice(make_slice(PIXELS, RequestingPhysician=PATIENT), tmp_path / "1.dcm")
    content = path.read_bytes()
    first, last = content.index(b"\x20\x00\x32\x00DS"), content.rindex(PATIENT.encode())
    swallowed = 0
    for place in range(first, last):
        for length in (64, 128, 240):
            path.write_bytes(content[:place] + struct.pack("<H", length) + content[place + 2 :])
            try:
                read_series(tmp_path)
            except ValueError as error:
                said = "".join(traceback.format_exception(error))
                swallowed += "what cannot be its text" in said
                assert PATIENT not in said and PATIENT[:6] not in said, (place, said)
    assert swallowed > 5
