import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.volume import read_label, read_volume
from tests.data.dicom_files import write_series

# By name the DICOM files are a, c, k, m, z; in space m, c, z, a, k.
GREYS_BY_NAME = (63, 126, 189, 252, 0)


def write_pngs(folder, greys=GREYS_BY_NAME, shape=(6, 8)):
    """Write one PNG per grey value, named IMG-0, IMG-1, ..., of that value with 7 in its first pixel."""
    folder.mkdir()
    for number, grey in enumerate(greys):
        pixels = np.full(shape, grey, np.uint8)
        pixels[0, 0] = 7
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(folder / f"IMG-{number}.png"))
    return folder


def test_png_files_pair_by_name_and_lie_in_the_order_of_positions(tmp_path):
    write_series(tmp_path / "series")
    label = read_label(write_pngs(tmp_path / "ground"), tmp_path / "series")
    assert label.array.shape == (8, 6, 5)
    assert label.array[1, 1].tolist() == [252, 126, 0, 63, 189]
    assert (label.array[0, 0] == 7).all()
    np.testing.assert_array_equal(label.grid.affine, read_volume(tmp_path / "series").grid.affine)


def test_a_png_too_few_is_refused_with_both_counts(tmp_path):
    write_series(tmp_path / "series")
    with pytest.raises(ValueError, match=r"ground holds 4 PNG files, its series .*series 5 slices"):
        read_label(write_pngs(tmp_path / "ground", [1, 2, 3, 4]), tmp_path / "series")


def test_a_png_of_another_size_is_refused_by_name(tmp_path):
    write_series(tmp_path / "series")
    with pytest.raises(ValueError, match=r"IMG-\d.png has 1 channels of \(6, 8\) pixels, expected 1 of \(8, 6\)"):
        read_label(write_pngs(tmp_path / "ground", shape=(8, 6)), tmp_path / "series")


def test_png_files_without_a_series_and_a_folder_without_png_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder of DICOM files"):
        read_label(write_pngs(tmp_path / "ground"), tmp_path / "scan.nii.gz")
    with pytest.raises(ValueError, match="series holds no PNG file"):
        write_series(tmp_path / "series")
        read_label(tmp_path / "series", tmp_path / "series")
