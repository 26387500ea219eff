import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.network_volume import open_affine, open_image, open_label, write_image, write_label

AFFINE = np.array([[-0.8, 0, 3.0, 5], [0, -1.0, 0, 6], [-0.6, 0, -4.0, 7], [0, 0, 0, 1.0]])
ORTHOGONAL = np.array([[-0.8, 0.6, 0, 5], [-0.6, -0.8, 0, 6], [0, 0, 4.0, 7], [0, 0, 0, 1.0]])


def test_intensities_read_back_within_one_step_in_any_program(tmp_path):
    array = np.random.default_rng(0).random((3, 4, 5), dtype=np.float32)
    array[0, 0, :2] = 0, 1
    write_image(tmp_path / "image.nii", array, ORTHOGONAL)
    image = nib.load(tmp_path / "image.nii")
    assert image.shape == (5, 4, 3)  # x = width, y = height, z = depth
    np.testing.assert_allclose(image.get_fdata().T, array, atol=1 / 65535)
    np.testing.assert_allclose(open_image(tmp_path / "image.nii") / 65535, array, atol=0.51 / 65535)
    assert open_image(tmp_path / "image.nii")[0, 0, :2].tolist() == [0, 65535]
    np.testing.assert_allclose(open_affine(tmp_path / "image.nii"), ORTHOGONAL, atol=1e-6)


def test_images_and_labels_open_as_read_only_memory_maps_in_c_order(tmp_path):
    write_image(tmp_path / "image.nii", np.zeros((3, 4, 5), np.float32), AFFINE)
    write_label(tmp_path / "label.nii", np.arange(60, dtype=np.uint8).reshape(3, 4, 5), AFFINE)
    image, label = open_image(tmp_path / "image.nii"), open_label(tmp_path / "label.nii")
    for array, dtype in [(image, np.uint16), (label, np.uint8)]:
        assert isinstance(array, np.memmap)
        assert (array.dtype, array.shape, array.flags.c_contiguous) == (dtype, (3, 4, 5), True)
        assert not array.flags.writeable
    assert label[1, 2, 3] == 1 * 20 + 2 * 5 + 3
    np.testing.assert_allclose(open_affine(tmp_path / "label.nii"), AFFINE, atol=1e-6)


def test_values_are_rounded_to_the_nearest_step_and_rounding_errors_beyond_the_range_are_clipped(tmp_path):
    array = np.array([-5e-5, 0.4 / 65535, 0.6 / 65535, 0.5, 1, 1 + 5e-5], np.float32).reshape(3, 1, 2)
    write_image(tmp_path / "image.nii", array, AFFINE)
    assert open_image(tmp_path / "image.nii").ravel().tolist() == [0, 0, 1, 32768, 65535, 65535]


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_intensities_beyond_the_unit_range_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"image.nii: found intensities .* expected \[0, 1\]"):
        write_image(tmp_path / "image.nii", np.full((2, 2, 2), value), AFFINE)
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_refused_by_name(tmp_path):
    write_label(tmp_path / "label.nii", np.zeros((3, 4, 5), np.uint8), AFFINE)
    with pytest.raises(ValueError, match=r"label.nii: found uint8 .*expected uncompressed 3D uint16"):
        open_image(tmp_path / "label.nii")
