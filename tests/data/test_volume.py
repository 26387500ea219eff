import json

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.grid import GEOMETRY_FIELDS, Grid
from dar_uda.data.volume import read_grid, read_volume, write_mask

GEOMETRY = ("pixdim", *GEOMETRY_FIELDS)
SHEARED = np.array([[-0.8, 0.6, 0, 11], [1.2, 1.6, 0, -7], [0, 0, 5, 30], [0, 0, 0, 1.0]])
ROTATED = np.array([[-0.8, 1.2, 0, 11.1], [0.6, 1.6, 0, -7.7], [0, 0, 5, 30.3], [0, 0, 0, 1.0]])  # spacing (1, 2, 5)


def save(path, array, affine, codes=(1, 2)):
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, code=codes[0])
    image.set_sform(affine, code=codes[1])
    image.header["descrip"] = b"Jane Doe 1970"
    nib.save(image, path)
    return path


@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (1, 1), (2, 4), (0, 0)])
def test_a_mask_carries_exactly_the_geometry_of_its_input_and_nothing_else(tmp_path, codes):
    source = save(tmp_path / "image.nii.gz", np.zeros((4, 5, 6), np.int16), ROTATED, codes)
    grid = Grid.from_dict(json.loads(json.dumps(read_grid(source).to_dict())))
    write_mask(tmp_path / "mask.nii.gz", np.ones((4, 5, 6), np.uint8), grid)
    before, after = nib.load(source), nib.load(tmp_path / "mask.nii.gz")
    for name in GEOMETRY:
        np.testing.assert_array_equal(before.header[name], after.header[name], err_msg=name)
    np.testing.assert_array_equal(before.affine, after.affine)
    assert after.get_data_dtype() == np.uint8
    assert after.header["descrip"].item() == b""
    assert "Jane" not in json.dumps(grid.to_dict())


def test_a_mask_on_a_grid_without_header_lies_on_its_affine(tmp_path):
    write_mask(tmp_path / "mask.nii.gz", np.ones((4, 5, 6), np.uint8), Grid((4, 5, 6), ROTATED))
    written = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(written.get_sform(), ROTATED, atol=1e-5)
    np.testing.assert_allclose(written.get_qform(), ROTATED, atol=1e-4)
    write_mask(tmp_path / "sheared.nii.gz", np.ones((4, 5, 6), np.uint8), Grid((4, 5, 6), SHEARED))
    sheared = nib.load(tmp_path / "sheared.nii.gz")
    np.testing.assert_allclose(sheared.affine, SHEARED, atol=1e-5)
    assert sheared.header["qform_code"] == 0  # a qform cannot say shear


def test_a_mask_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(4, 5, 5\).*expected uint8 of shape \(4, 5, 6\)"):
        write_mask(tmp_path / "mask.nii.gz", np.ones((4, 5, 5), np.uint8), Grid((4, 5, 6), ROTATED))
    assert not list(tmp_path.iterdir())


def test_integers_stay_integers_and_a_slope_is_applied(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    plain = read_volume(save(tmp_path / "plain.nii", values, ROTATED)).array
    assert plain.dtype == np.int16
    image = nib.Nifti1Image(values, ROTATED)
    image.header.set_slope_inter(2, -1024)
    nib.save(image, tmp_path / "scaled.nii.gz")
    scaled = read_volume(tmp_path / "scaled.nii.gz").array
    np.testing.assert_array_equal(plain, values)
    np.testing.assert_array_equal(scaled, values * 2.0 - 1024)
    assert scaled.dtype == np.float32


def test_a_single_fourth_axis_is_dropped_and_a_longer_one_refused(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4, 1)
    volume = read_volume(save(tmp_path / "one.nii", values, ROTATED))
    np.testing.assert_array_equal(volume.array, values[..., 0])
    assert volume.grid.shape == (2, 3, 4)
    with pytest.raises(ValueError, match=r"two.nii has shape \(2, 3, 4, 2\), expected 3 axes: save"):
        read_volume(save(tmp_path / "two.nii", np.repeat(values, 2, axis=3), ROTATED))


def test_what_is_no_volume_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="notes.txt is no NIfTI"):
        read_volume(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"absent.nii.gz: no such file"):
        read_grid(tmp_path / "absent.nii.gz")
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "metres.nii")
    with pytest.raises(ValueError, match="metres.nii is in meter, expected mm"):
        read_grid(tmp_path / "metres.nii")
