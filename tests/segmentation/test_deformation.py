import numpy as np
import torch
import torch.nn.functional as F

from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.deformation import ELASTIC_SHIFT, LOG_STRETCH, SHIFT, cut_stretched, upright_grid
from dar_uda.segmentation.patches import PatchSampler


class Fixed:
    """A generator whose `uniform` gives the same each time."""

    def __init__(self, value):
        self.value = value

    def uniform(self, low, high):
        assert (low, high) == (-LOG_STRETCH, LOG_STRETCH)
        return self.value


def volume(depth=12):
    """Every slice has its own intensity and class."""
    slices = np.arange(depth, dtype=np.float32)[:, None, None] * np.ones((1, 4, 5), np.float32)
    return slices, slices.astype(np.uint8)


def stretched(corner, factor, depth=12):
    image, label = cut_stretched(volume(depth), (corner, 1, 1), (4, 2, 3), Fixed(np.log(factor)))
    assert image.shape == label.shape == (4, 2, 3) and image.dtype == np.float32 and label.dtype == np.uint8
    assert (image == image[:, :1, :1]).all() and (label == label[:, :1, :1]).all()
    return image[:, 0, 0], label[:, 0, 0]


def test_slices_lie_farther_apart_or_nearer_about_the_middle_of_the_patch():
    image, label = stretched(3, 1.0)
    np.testing.assert_allclose(image, [3, 4, 5, 6])
    image, label = stretched(3, 1.2)  # about 4.5: 4.5 + 1.2 * (-1.5, -0.5, 0.5, 1.5)
    np.testing.assert_allclose(image, [2.7, 3.9, 5.1, 6.3], atol=1e-6)
    assert label.tolist() == [3, 4, 5, 6]
    image, label = stretched(3, 0.8)
    np.testing.assert_allclose(image, [3.3, 4.1, 4.9, 5.7], atol=1e-6)
    assert label.tolist() == [3, 4, 5, 6]


def test_beyond_the_volume_its_last_slice_is_repeated():
    np.testing.assert_allclose(stretched(0, 1.2)[0], [0, 0.9, 2.1, 3.3], atol=1e-6)
    np.testing.assert_allclose(stretched(8, 1.2)[0], [7.7, 8.9, 10.1, 11], atol=1e-6)
    np.testing.assert_allclose(stretched(-1, 1.0, depth=2)[0], [0, 0, 1, 1])
    np.testing.assert_allclose(stretched(-1, 1.2, depth=1)[0], [0, 0, 0, 0])


def test_an_upright_patch_hardly_folds_and_its_middle_moves_by_no_more_than_the_shift_and_the_displacement():
    grids = [upright_grid((64, 64), np.random.default_rng(seed), 0.15)[0, 12:52, 12:52] for seed in range(200)]
    upright = torch.stack(
        [(grid[..., axis].diff(dim=1 - axis) > 0).float().mean() for grid in grids for axis in (0, 1)]
    )
    assert upright.min() > 0.8 and upright.mean() > 0.99
    assert all(grid[19:21, 19:21].mean((0, 1)).abs().max() < 2 * (SHIFT + 4 * ELASTIC_SHIFT) for grid in grids)


def test_scale_and_shift_are_those_of_each_axis():
    class Drawn:
        """Scaled by 1.1 in x and 0.9 in y, shifted by 2 % and -4 %; neither rotated nor displaced."""

        def random(self, *_):
            return np.array([0.9, 0.1, 0.1, 0.9])

        def uniform(self, low, *_, **__):
            return np.array([1.1, 0.9]) if low > 0 else np.array([0.02, -0.04])

    grid = upright_grid((50, 100), Drawn(), 0.15)
    image = torch.zeros(1, 1, 50, 100)
    image[..., 25 - 2, 50 + 2] = 1  # at the place that the middle comes from: -4 % of 50 pixels, 2 % of 100
    moved = F.grid_sample(image, grid, align_corners=False)[0, 0]
    assert moved.argmax() == 25 * 100 + 50
    np.testing.assert_allclose(grid[0, 25, :, 0].diff(), 2 / 100 / 1.1, atol=1e-6)
    np.testing.assert_allclose(grid[0, :, 50, 1].diff(), 2 / 50 / 0.9, atol=1e-6)


def test_patches_are_upright_where_that_is_the_augmentation(tmp_path):
    image = np.zeros((8, 32, 32), np.float32)
    image[:, 20:] = 1
    write_image(tmp_path / "image.nii", image, np.eye(4))
    write_label(tmp_path / "label.nii", image.astype(np.uint8), np.eye(4))
    files = [tmp_path / "image.nii"], [tmp_path / "label.nii"]
    upside_down = {}
    for augmentation in ("published", "upright"):
        sampler = PatchSampler(*files, (8, 32, 32), 200, 0.0, scale=0.1, augmentation=augmentation)
        images, labels = sampler.draw(np.random.default_rng(0), torch.device("cpu"))
        upside_down[augmentation] = (images[:, 0, 4, :8].mean((1, 2)) > 0).float().mean()
        assert ((images[:, 0] > 0) == (labels == 1)).float().mean() > 0.9, "image and label move together"
    assert 0.4 < upside_down["published"] < 0.6 and upside_down["upright"] == 0
