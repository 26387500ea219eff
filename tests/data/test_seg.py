"""DICOM SEG as labels, written by highdicom."""

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from dar_uda.data.label_numbers import numbers_of
from dar_uda.data.labels import map_labels
from dar_uda.data.volume import read_grid, read_label, read_volume
from tests.data.dicom_files import save_slice
from tests.data.enhanced_files import make_enhanced
from tests.data.label_objects import AXIAL, OBLIQUE, save_scan

HEADER = {
    **dict.fromkeys(("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "PatientBirthDate", "PatientSex"), ""),
    "SliceThickness": "2.5",
    "InstanceNumber": 1,
}
LABELS = np.zeros((6, 7, 8), np.uint8)
"""(slices, rows, columns): two segments, one of them in two slices, none in most."""
LABELS[1, 2:4, 3:7], LABELS[2, 1, 1], LABELS[4, 6, 0] = 1, 1, 2
SHAPES = [LABELS == 1, (LABELS == 2) | (np.indices(LABELS.shape)[2] == 3)]
"""Two segments that overlap in two voxels."""


def segment(path, files, array, names=("Liver", "Spleen"), kind="BINARY", **options):
    """Write a SEG of image files by highdicom; return its path."""
    algorithm = hd.AlgorithmIdentificationSequence("test", codes.DCM.ArtificialIntelligence, "1")
    described = [
        SegmentDescription(
            *(number, name, codes.SCT.AnatomicalStructure, codes.SCT.Liver, SegmentAlgorithmTypeValues.AUTOMATIC),
            algorithm,
        )
        for number, name in enumerate(names, start=1)
    ]
    made = Segmentation(
        source_images=[pydicom.dcmread(file) for file in files],
        pixel_array=array,
        segmentation_type=SegmentationTypeValues[kind],
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    made.save_as(path)
    return path


def scan_of(folder, directions=AXIAL, **entries):
    """Return a series with the headers that highdicom wants, and its files in the order of their places."""
    scan = save_scan(folder, directions, **{**HEADER, **entries})
    return scan, [scan / f"{(5 * k) % 7}.dcm" for k in range(6)]


def classes(path, scan, values):
    numbers = numbers_of(path, values)
    return map_labels(read_label(path, scan, numbers).array, numbers)


@pytest.mark.parametrize("directions", [AXIAL, OBLIQUE])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_segments_lie_where_they_were_drawn(tmp_path, directions, kind, syntax):
    if (kind, syntax) == ("BINARY", RLELossless):
        pytest.skip("pixels of one bit are not compressed so")
    scan, files = scan_of(tmp_path / "scan", directions)
    path = segment(tmp_path / "seg.dcm", files[::-1], LABELS[::-1], kind=kind, transfer_syntax_uid=syntax)
    label = read_label(path, scan)
    np.testing.assert_array_equal(label.array, LABELS.T)
    np.testing.assert_array_equal(label.grid.affine, read_grid(scan).affine)
    np.testing.assert_array_equal(classes(path, scan, [["spleen"], [1]]), np.choose(LABELS.T, [0, 2, 1]))
    np.testing.assert_array_equal(classes(path, scan, [[2]]), LABELS.T == 2)


def test_where_segments_overlap_the_later_class_counts(tmp_path):
    scan, files = scan_of(tmp_path / "scan")
    path = segment(tmp_path / "seg.dcm", files, np.stack(SHAPES, axis=-1))
    first, second = (shape.T for shape in SHAPES)
    assert (first & second).sum() == 2
    np.testing.assert_array_equal(classes(path, scan, [[1], [2]]), np.where(second, 2, first))
    np.testing.assert_array_equal(classes(path, scan, [[2], [1]]), np.where(first, 2, second))


def test_an_enhanced_image_has_its_segments(tmp_path):
    """Frames in reverse, a SEG that was drawn on the series of the same places."""
    scan, files = scan_of(tmp_path / "scan")
    volume = read_volume(scan)
    positions = [pydicom.dcmread(file).ImagePositionPatient for file in files]
    enhanced = make_enhanced(volume.array.T[::-1], positions[::-1])
    image = save_slice(enhanced, tmp_path / "enhanced.dcm")
    path = segment(tmp_path / "seg.dcm", files, LABELS)
    np.testing.assert_array_equal(read_volume(image).array, volume.array)
    np.testing.assert_array_equal(read_label(path, image).array, LABELS.T)


def test_a_segment_of_another_series_space_or_grid_is_refused(tmp_path):
    scan, files = scan_of(tmp_path / "scan")
    path = segment(tmp_path / "seg.dcm", files, LABELS)
    other, _ = scan_of(tmp_path / "other", SeriesInstanceUID="1.2.4")
    with pytest.raises(ValueError, match=r"DAR-435: .*seg.dcm was drawn on another series .* than .*other has"):
        read_label(path, other)
    apart, _ = scan_of(tmp_path / "apart", FrameOfReferenceUID="1.2.4")
    with pytest.raises(ValueError, match="DAR-435: .*seg.dcm was drawn on another frame of reference"):
        read_label(path, apart)
    turned, _ = scan_of(tmp_path / "turned", OBLIQUE)
    with pytest.raises(ValueError, match="DAR-438: .*seg.dcm: its slices are 2.5 mm apart, those of the image 1.5"):
        read_label(path, turned)
    finer = save_scan(tmp_path / "finer", shape=(6, 7, 8), PixelSpacing=["0.35", "0.45"])
    with pytest.raises(ValueError, match="DAR-438: .*seg.dcm: a frame does not lie on the image's voxels"):
        read_label(path, finer)


def test_a_segment_of_thicker_slices_is_refused(tmp_path):
    """Each of its frames lies on a slice of the image, and every second slice would be empty."""
    scan, files = scan_of(tmp_path / "scan")
    path = segment(tmp_path / "seg.dcm", files[::2], np.ones((3, 7, 8), np.uint8), names=["Liver"])
    dataset = pydicom.dcmread(path)
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = "5"
    dataset.save_as(path)
    with pytest.raises(ValueError, match=r"DAR-438: .* its slices are 5 mm apart, those of the image 2.5"):
        read_label(path, scan)


def test_fractions_and_surfaces_are_refused(tmp_path):
    scan, files = scan_of(tmp_path / "scan")
    path = segment(tmp_path / "seg.dcm", files, LABELS[..., None] * 0.5, names=["Liver"], kind="FRACTIONAL")
    with pytest.raises(ValueError, match="DAR-437: .*seg.dcm is a SEG of the type FRACTIONAL, expected BINARY or"):
        read_label(path, scan)
    dataset = pydicom.dcmread(path)
    del dataset.SegmentationType
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.5"
    dataset.save_as(path)
    with pytest.raises(ValueError, match="DAR-437: .*of the type none"):
        read_label(path, scan)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    scan, files = scan_of(tmp_path / "scan")
    path = segment(tmp_path / "seg.dcm", files, LABELS)
    content = path.read_bytes()
    for length in range(200, len(content), 401):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="DAR-.*seg.dcm"):
            read_label(path, scan)
