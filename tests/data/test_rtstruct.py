"""RTSTRUCT as labels: contours worked out by hand on axial and oblique series."""

import logging
import traceback

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.checks.cases import check_cases
from dar_uda.data.label_numbers import numbers_of
from dar_uda.data.labels import map_labels
from dar_uda.data.volume import read_grid, read_label, read_label_grid, read_volume
from tests.data.dicom_files import PATIENT, save_slice
from tests.data.label_objects import AXIAL, OBLIQUE, contour, make_rtstruct, save_scan

SQUARE = [(0.5, 1.5), (4.5, 1.5), (4.5, 5.5), (0.5, 5.5)]
"""Columns 1 to 4, rows 2 to 5."""
HOLE = [(1.5, 2.5), (3.5, 2.5), (3.5, 4.5), (1.5, 4.5)]
"""Columns 2 and 3, rows 3 and 4."""


def classes(path, scan, values):
    """Return classes 1..K of a label, as a run has them."""
    numbers = numbers_of(path, values)
    return map_labels(read_label(path, scan, numbers).array, numbers)


def expected(slice_=2, number=1):
    array = np.zeros((8, 7, 6), np.uint8)
    array[1:5, 2:6, slice_] = number
    return array


@pytest.mark.parametrize("directions", [AXIAL, OBLIQUE])
def test_a_square_fills_the_pixels_whose_centers_it_holds_whatever_the_plane(tmp_path, directions):
    scan = save_scan(tmp_path / "scan", directions)
    path = save_slice(make_rtstruct({3: ("Liver", [contour(SQUARE, 2, directions)])}), tmp_path / "drawn.dcm")
    label = read_label(path, scan)
    np.testing.assert_array_equal(label.array, expected(number=3))
    np.testing.assert_array_equal(label.grid.affine, read_grid(scan).affine)
    np.testing.assert_array_equal(read_label_grid(path, scan).affine, read_grid(scan).affine)


def test_holes_several_contours_and_keyholes(tmp_path):
    scan = save_scan(tmp_path / "scan")
    apart = [(5.5, 0.5), (6.5, 0.5), (6.5, 1.5), (5.5, 1.5)]
    keyhole = [*SQUARE, SQUARE[0], *HOLE, HOLE[0]]
    drawn = [contour(SQUARE, 0), contour(HOLE, 0), contour(apart, 0), contour(keyhole, 4)]
    drawn += [contour(SQUARE, 5, kind=kind) for kind in ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")]
    path = save_slice(make_rtstruct({1: ("Ring", drawn)}), tmp_path / "drawn.dcm")
    ring = expected(0)
    ring[2:4, 3:5, 0] = 0
    ring[..., 4] = ring[..., 0]
    ring[6, 1, 0] = 1
    np.testing.assert_array_equal(read_label(path, scan).array, ring)


def test_structures_are_named_by_number_or_by_name_and_a_later_one_lies_over_an_earlier(tmp_path, caplog):
    scan = save_scan(tmp_path / "scan")
    small, body = [contour(HOLE, 2)], [contour([(-9, -9), (90, -9), (90, 90), (-9, 90)], k) for k in range(6)]
    structures = {7: ("liver ", [contour(SQUARE, 2)]), 4: ("Tumor", small), 9: ("BODY", body), 0: ("none", small)}
    path = save_slice(make_rtstruct(structures), tmp_path / "drawn.dcm")
    over = expected()
    over[2:4, 3:5, 2] = 2
    with caplog.at_level(logging.WARNING):
        for values in ([[7], [4]], [["Liver"], ["tumor"]], [["LIVER"], [4]]):
            np.testing.assert_array_equal(classes(path, scan, values), over)
    assert "DAR-436" in caplog.text and str(path) in caplog.text
    np.testing.assert_array_equal(classes(path, scan, [["Tumor"], ["Liver"]]), expected(number=2))
    assert classes(path, scan, [["Spleen"], [5]]).max() == 0
    everything = read_label(path, scan).array
    assert set(np.unique(everything)) == {9} and (everything == 9).all()  # BODY has the highest number


def test_names_are_of_dicom_alone(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), tmp_path / "label.nii")
    assert numbers_of(tmp_path / "label.nii", [[1, "Liver"], [2]]) == [[1], [2]]
    with pytest.raises(ValueError, match=r"DAR-434: .*label.nii has no names .* found 'Liver'"):
        numbers_of(tmp_path / "label.nii", [["Liver"], [2]])


def test_contours_fit_the_nifti_file_of_their_series_too(tmp_path):
    scan = save_scan(tmp_path / "scan", OBLIQUE)
    volume = read_volume(scan)
    nib.save(nib.Nifti1Image(volume.array[:, ::-1], volume.grid.affine @ FLIP), tmp_path / "scan.nii.gz")
    path = save_slice(make_rtstruct({1: ("Liver", [contour(SQUARE, 2, OBLIQUE)])}), tmp_path / "drawn.dcm")
    np.testing.assert_array_equal(read_label(path, tmp_path / "scan.nii.gz").array, expected()[:, ::-1])


FLIP = np.array([[1, 0, 0, 0], [0, -1, 0, 6], [0, 0, 1, 0], [0, 0, 0, 1.0]])
"""Rows in reverse, of seven."""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"space": "1.2.9"}, r"DAR-435: .*drawn.dcm was drawn on another frame of reference"),
        ({"series": "1.2.9"}, r"DAR-435: .*drawn.dcm was drawn on another series \(SeriesInstanceUID\) than .*scan"),
    ],
)
def test_contours_of_another_series_are_refused(tmp_path, changed, message):
    scan = save_scan(tmp_path / "scan")
    structures = {1: ("Liver", [contour(SQUARE, 2)])}
    path = save_slice(make_rtstruct(structures, **changed), tmp_path / "drawn.dcm")
    with pytest.raises(ValueError, match=message):
        read_label(path, scan)
    path = save_slice(make_rtstruct(structures, series=""), tmp_path / "drawn.dcm")
    np.testing.assert_array_equal(read_label(path, scan).array, expected())


@pytest.mark.parametrize("depth", [1.5, 2.3, -1, 6, 50])
def test_contours_between_slices_or_beyond_the_image_are_refused(tmp_path, depth):
    scan = save_scan(tmp_path / "scan")
    path = save_slice(make_rtstruct({1: ("Liver", [contour(SQUARE, depth)])}), tmp_path / "drawn.dcm")
    with pytest.raises(ValueError, match=rf"DAR-439: .*a contour lies at {depth:.2f} to {depth:.2f} of .* 0 to 5"):
        read_label(path, scan)


def test_a_structure_that_no_task_names_may_lie_between_slices(tmp_path):
    scan = save_scan(tmp_path / "scan")
    structures = {1: ("Liver", [contour(SQUARE, 2)]), 2: ("Couch", [contour(SQUARE, 2.5)])}
    path = save_slice(make_rtstruct(structures), tmp_path / "drawn.dcm")
    assert read_label_grid(path, scan).shape == (8, 7, 6)
    np.testing.assert_array_equal(classes(path, scan, [["Liver"]]), expected())
    case = {"name": "c1", "domain": "ct", "patient": "", "split": "train", "image": scan, "label": path}
    assert "DAR-439" not in "\n".join(check_cases([case], {}, {"ct": [[1]]}, 1))
    with pytest.raises(ValueError, match="DAR-439"):
        check_cases([case], {}, {"ct": [[1], ["couch"]]}, 1)


@pytest.mark.parametrize("text", ["1\\2", "1\\2\\x", "nan\\0\\0", "1e9\\0\\0", "", PATIENT])
def test_points_that_are_none_are_refused(tmp_path, text):
    scan = save_scan(tmp_path / "scan")
    dataset = make_rtstruct({1: ("Liver", [contour(SQUARE, 2)])})
    dataset.ROIContourSequence[0].ContourSequence[0]["ContourData"]._value = text.split("\\")
    path = save_slice(dataset, tmp_path / "drawn.dcm")
    with pytest.raises(ValueError, match="DAR-440: .*drawn.dcm: the points of a contour are not") as raised:
        read_label(path, scan)
    assert PATIENT not in str(raised.value)


def test_too_many_points_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dar_uda.data.dicom.rtstruct.MOST_POINTS", 7)
    scan = save_scan(tmp_path / "scan")
    path = save_slice(make_rtstruct({1: ("Liver", [contour(SQUARE, 1), contour(SQUARE, 2)])}), tmp_path / "drawn.dcm")
    with pytest.raises(ValueError, match="DAR-441: .*more than 7 points"):
        read_label(path, scan)


def test_a_file_cut_or_damaged_anywhere_is_refused_without_a_name_of_a_person(tmp_path):
    scan = save_scan(tmp_path / "scan")
    structures = {1: (PATIENT, [contour(SQUARE, 2)]), 2: ("Liver", [contour(HOLE, 3)])}
    path = save_slice(make_rtstruct(structures), tmp_path / "drawn.dcm")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in range(200, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="DAR-.*drawn.dcm") as raised:
            read_label(path, scan)
        assert PATIENT not in "".join(traceback.format_exception(raised.value))
        path.write_bytes(content[:length] + rng.bytes(2) + content[length + 2 :])
        try:
            read_label(path, scan)
        except ValueError as error:
            said = "".join(traceback.format_exception(error))
            assert PATIENT not in said and "DAR-" in said


def test_a_name_counts_before_a_number_that_another_structure_may_have(tmp_path):
    drawn = {1: ("BODY", [contour(SQUARE, 1)]), 2: ("Liver", [contour(SQUARE, 2)])}
    path = save_slice(make_rtstruct(drawn), tmp_path / "drawn.dcm")
    scan = save_scan(tmp_path / "scan")
    np.testing.assert_array_equal(classes(path, scan, [[1, "Liver"]]), expected())
    assert numbers_of(path, [[1, "Liver"], [2, "body"], [7]]) == [[2], [1], [7]]


def test_names_are_alike_whatever_encodes_their_accents_and_however_many_spaces_are_around_them(tmp_path):
    structures = {1: ("Ru\u0308ckenmark", []), 2: ("Liver ", [])}
    path = save_slice(make_rtstruct(structures, SpecificCharacterSet="ISO_IR 192"), tmp_path / "drawn.dcm")
    assert numbers_of(path, [["R\u00fcckenmark"], [" liver "]]) == [[1], [2]]


@pytest.mark.parametrize("number", [-1, 0, 70000])
def test_a_structure_whose_number_no_label_map_can_hold_is_refused(tmp_path, number):
    path = save_slice(make_rtstruct({number: ("Liver", [])}), tmp_path / "drawn.dcm")
    with pytest.raises(ValueError, match=f"DAR-447: .*'liver' has the number {number}, expected 1 to 65535"):
        numbers_of(path, [["liver"]])


def test_a_structure_in_another_space_than_the_image_is_refused_where_the_others_lie_in_its_own(tmp_path):
    scan = save_scan(tmp_path / "scan")
    drawn = make_rtstruct({1: ("Liver", [contour(SQUARE, 2)]), 2: ("Spleen", [contour(SQUARE, 1)])})
    drawn.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"
    path = save_slice(drawn, tmp_path / "drawn.dcm")
    np.testing.assert_array_equal(classes(path, scan, [["Liver"]]), expected())
    np.testing.assert_array_equal(read_label(path, scan).array, expected())
    with pytest.raises(ValueError, match="DAR-435: .* another frame of reference"):
        classes(path, scan, [["Liver"], ["Spleen"]])
