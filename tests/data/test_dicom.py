import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.checks.finding import MIXED_SERIES, SHEARED
from dar_uda.data.checks.image import problems_of_grid
from dar_uda.data.geometry import check_same_grid, reorder_like
from dar_uda.data.volume import read_grid, read_volume
from tests.data.dicom_files import COLUMNS, NAMES, NORMAL, ORIGIN, write_series, write_slice

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom_and_small" / "ct_dicom_20slices"


def assert_same_as_simpleitk(volume, paths):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    image = reader.Execute()
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image).T)
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    lps[:3, 3] = image.GetOrigin()
    np.testing.assert_allclose(volume.grid.affine, np.diag([-1, -1, 1, 1]) @ lps, atol=1e-4)


def test_a_shuffled_series_reads_as_simpleitk_reads_it_in_order(tmp_path):
    paths = write_series(tmp_path / "series")
    (tmp_path / "series" / ".DS_Store").write_text("hidden")
    volume = read_volume(tmp_path / "series")
    assert_same_as_simpleitk(volume, paths)
    assert volume.grid.shape == (8, 6, 5)
    assert volume.array.min() < 0  # stored from 0 on: the intercept of -1024 is applied
    np.testing.assert_allclose(volume.grid.affine[:3, 2], 2.5 * NORMAL * [-1, -1, 1], atol=1e-5)
    assert volume.grid.header == {}


def test_grid_alone_is_that_of_the_volume(tmp_path):
    write_series(tmp_path / "series")
    grid, volume = read_grid(tmp_path / "series"), read_volume(tmp_path / "series")
    assert grid.shape == volume.grid.shape
    np.testing.assert_array_equal(grid.affine, volume.grid.affine)


def test_each_slice_has_its_own_rescale_slope_and_intercept(tmp_path):
    for k, intercept in enumerate(["10", "-10"]):
        values = np.full((4, 4), 100 * 2 + int(intercept))  # stored as 100
        write_slice(tmp_path / f"{k}.dcm", values, ORIGIN + k * NORMAL, "2", intercept, uid=k)
    written = (tmp_path / "1.dcm").read_bytes()
    slope_is_2, slope_is_half = (b"\x28\x00\x53\x10\x02\x00\x00\x00" + text for text in (b"2 ", b".5"))
    assert written.count(slope_is_2) == 1
    (tmp_path / "1.dcm").write_bytes(written.replace(slope_is_2, slope_is_half))
    array = read_volume(tmp_path).array
    assert array[0, 0].tolist() == [100 * 2 + 10, 100 * 0.5 - 10]


def test_a_missing_slice_is_refused_with_its_place(tmp_path):
    write_series(tmp_path / "series", steps=(0, 2.5, 5, 10, 12.5))
    with pytest.raises(ValueError, match=r"series: found a step of 5 mm .*z.dcm to a.dcm.* expected 2.5 mm"):
        read_volume(tmp_path / "series")


def test_two_slices_at_one_place_are_refused(tmp_path):
    write_series(tmp_path / "series", steps=(0, 2.5, 2.5, 5, 7.5))
    with pytest.raises(ValueError, match=r"series: several slices .*same position .*own"):
        read_volume(tmp_path / "series")


def test_other_files_and_an_empty_folder_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="found 0 files"):
        read_volume(tmp_path)
    write_series(tmp_path / "series")
    (tmp_path / "series" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"notes.txt is no DICOM image"):
        read_volume(tmp_path / "series")


def test_one_file_of_a_series_is_refused_with_the_remedy(tmp_path):
    paths = write_series(tmp_path / "series")
    with pytest.raises(ValueError, match="m.dcm is one DICOM file: give its folder"):
        read_grid(paths[0])


def test_of_a_folder_whose_slices_lie_further_down_the_folders_are_listed(tmp_path):
    write_series(tmp_path / "series")
    with pytest.raises(ValueError, match="found 0 files, expected a DICOM series .* one of its folders: series$"):
        read_grid(tmp_path)


def test_a_slice_of_another_size_is_refused_by_name(tmp_path):
    write_series(tmp_path / "series")
    write_slice(tmp_path / "series" / "scout.dcm", np.zeros((6, 9)), ORIGIN + 12.5 * NORMAL, uid=9)
    with pytest.raises(ValueError, match=r"scout.dcm has size \(9, 6\)"):
        read_volume(tmp_path / "series")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real CT series is not at {REAL}")
def test_the_real_series_reads_to_the_geometry_and_values_of_simpleitk():
    volume = read_volume(REAL)
    assert_same_as_simpleitk(volume, sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(REAL)))
    assert volume.grid.shape == (512, 512, 20)
    assert volume.grid.affine[2, 2] == pytest.approx(2.0)  # the headers' SliceThickness says 3


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real CT series is not at {REAL}")
def test_the_label_map_another_tool_made_of_the_real_series_shares_its_grid():
    label = read_volume(REAL.parent / "example_seg_dicom.nii.gz")
    grid = read_grid(REAL)
    check_same_grid(grid, label.grid, "ct20")
    assert reorder_like(label.array, label.grid, grid).shape == grid.shape


def test_a_tilted_gantry_shears_the_grid_and_nothing_is_straightened(tmp_path):
    """Every slice is 1 mm further along the columns than the one before: the affine says so, and places agree."""
    folder = tmp_path / "tilted"
    folder.mkdir()
    step = 2.5 * NORMAL + 1.0 * COLUMNS
    for k, name in enumerate(NAMES):
        write_slice(folder / name, np.full((6, 8), k), ORIGIN + k * step, uid=k)
    volume = read_volume(folder)
    np.testing.assert_allclose(volume.grid.affine[:3, 2], step * (-1, -1, 1), atol=1e-4)
    np.testing.assert_array_equal(volume.array[0, 0], range(5))
    problems = {kind: text for kind, text in problems_of_grid(folder, volume.grid)}
    assert list(problems) == [SHEARED] and "68.2 degrees" in problems[SHEARED]  # arccos(1 / sqrt(2.5 ** 2 + 1))


def test_a_slice_of_another_orientation_is_refused_by_name(tmp_path):
    write_series(tmp_path / "series")
    turned = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    write_slice(tmp_path / "series" / "scout.dcm", np.zeros((6, 8)), ORIGIN, directions=turned)
    with pytest.raises(ValueError, match="directions.*move the files of any other series away"):
        read_volume(tmp_path / "series")


def test_pixels_in_a_transfer_syntax_that_cannot_be_read_are_refused_with_the_remedy(tmp_path):
    """The header names a syntax that nobody knows, in a UID as long as the true one."""
    path = write_series(tmp_path / "series")[2]
    content = path.read_bytes()
    implicit = b"\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2\x00"
    assert content.count(implicit) == 1
    path.write_bytes(content.replace(implicit, implicit.replace(b"1.2\x00", b"1.9\x00")))
    with pytest.raises(ValueError, match=f"{path.name}.*decompress the series"):
        read_volume(tmp_path / "series")


def rewritten(folder, tag, text):
    """Write a series, in one file of it another text of as many characters under a tag."""
    write_series(folder)
    path = folder / NAMES[1]
    content = path.read_bytes()
    start = content.index(struct.pack("<HH", *tag)) + 8
    (length,) = struct.unpack("<I", content[start - 4 : start])
    path.write_bytes(content[:start] + text.encode().ljust(length)[:length] + content[start + length :])
    return folder


@pytest.mark.parametrize(
    ("tag", "text", "message"),
    [
        ((0x20, 0x37), r"2\0\0\0\2\0", "expected two directions of length 1 at right angles"),
        ((0x20, 0x37), r"1\0\0\1\0\0", "expected two directions of length 1 at right angles"),
        ((0x28, 0x30), r"0\0", "expected two sizes above 0 mm"),
        ((0x28, 0x30), r"-1\1", "expected two sizes above 0 mm"),
        ((0x28, 0x30), "", "expected 2 numbers that say where it lies"),
        ((0x20, 0x32), r"1\2", "expected 3 numbers that say where it lies"),
    ],
)
def test_a_slice_whose_header_says_no_place_or_size_is_refused_by_file(tmp_path, tag, text, message):
    with pytest.raises(ValueError, match=f"{NAMES[1]}: tag .* {message}"):
        read_volume(rewritten(tmp_path / "series", tag, text))


@pytest.mark.parametrize(
    ("uids", "counts"), [((1, 1, 1, 1, 1), []), ((1, 2, 3, 4, 5), []), ((1, 2, 1, 2, 1), [2, 3]), ((1, 2, 2, 2, 2), [])]
)
def test_a_folder_of_two_series_that_interleave_is_told(tmp_path, uids, counts):
    for k, uid in enumerate(uids):
        write_slice(tmp_path / f"{k}.dcm", np.full((6, 8), k), ORIGIN + 2.5 * k * NORMAL, uid=uid)
    found = [text for kind, text in problems_of_grid(tmp_path, read_grid(tmp_path)) if kind == MIXED_SERIES]
    assert found == ([f"{tmp_path}: series UIDs of {counts[0]}, {counts[1]} slices"] if counts else [])
