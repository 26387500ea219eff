import numpy as np
import torch

from dar_uda.data.network_volume import LEVELS, open_affine, open_image, open_label, write_image, write_label
from dar_uda.translation.inter_slice_correction import correct_between_slices
from dar_uda.translation.redraw import SLICES_PER_PASS, write_redrawn

CPU = torch.device("cpu")


def as_they_are_and_inverted(slices):
    """Draw slices of [-1, 1] as a translator with two styles would."""
    assert slices.shape[1:] == (1, 5, 6) and len(slices) <= SLICES_PER_PASS
    yield slices
    yield -slices


def test_every_drawing_of_a_volume_is_written_on_its_grid_and_levelled_with_its_label(tmp_path):
    affine, shape = np.diag([-2.0, -2.0, 5.0, 1.0]), (2 * SLICES_PER_PASS + 1, 5, 6)
    write_image(tmp_path / "image.nii", np.random.default_rng(0).random(shape, np.float32), affine)
    write_label(tmp_path / "label.nii", np.random.default_rng(1).integers(0, 3, shape).astype(np.uint8), affine)
    given = open_image(tmp_path / "image.nii") / np.float32(LEVELS)
    for label in (None, tmp_path / "label.nii"):
        volumes = [tmp_path / "same.nii", tmp_path / "inverted.nii"]
        write_redrawn(as_they_are_and_inverted, tmp_path / "image.nii", volumes, label, CPU, "redraw c1")
        for path, expected in zip(volumes, (given, 1 - given), strict=True):
            if label:
                expected = correct_between_slices(expected, open_label(label))
            np.testing.assert_allclose(open_image(path) / LEVELS, expected, atol=2e-5)
            np.testing.assert_array_equal(open_affine(path), affine)
