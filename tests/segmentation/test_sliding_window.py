import numpy as np
import pytest
import torch
from monai.inferers.utils import sliding_window_inference
from torch import nn

from dar_uda.segmentation.sliding_window import count_windows, predict_slabs

CPU = torch.device("cpu")


class Brightness(nn.Module):
    """Score 1 where the voxel is bright."""

    def forward(self, x):
        return torch.cat([-x, x], dim=1)


def predict_whole(*arguments):
    return torch.cat(list(predict_slabs(*arguments)), dim=1).numpy()


@pytest.mark.parametrize("weighting", ["constant", "gaussian"])
@pytest.mark.parametrize("shape", [(10, 40, 50), (3, 10, 12)])
def test_windows_cover_volumes_larger_and_smaller_than_the_window(shape, weighting):
    image = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    found = predict_whole(Brightness(), image, (4, 16, 16), 0.5, weighting, 3, CPU)
    intensity = image.astype(np.float64) / 65535 * 2 - 1
    np.testing.assert_allclose(found[1], 1 / (1 + np.exp(-2 * intensity)), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "overlap", "windows"), [((10, 40, 50), 0.5, 4 * 4 * 6), ((3, 10, 40), 0.25, 1 * 1 * 3)]
)
def test_windows_are_counted_before_they_are_seen(shape, overlap, windows):
    seen, network = [], Brightness()
    network.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    predict_whole(network, np.zeros(shape, np.uint16), (4, 16, 16), overlap, "constant", 3, CPU)
    assert count_windows(shape, (4, 16, 16), overlap) == sum(seen) == windows


def test_overlapping_windows_are_averaged():
    class First(nn.Module):
        """Vote with the window's own first voxel."""

        def forward(self, x):
            vote = x[:, :, :1, :1, :1].expand_as(x)
            return torch.cat([torch.zeros_like(vote), vote], dim=1)

    image = np.full((4, 16, 24), 65535, np.uint16)
    image[0, 0, 8] = 0  # windows start at columns 0 (vote +1) and 8 (vote -1)
    image[0, 0, 0] = 49151  # +0.5
    found = predict_whole(First(), image, (4, 16, 16), 0.5, "constant", 1, CPU)[1]
    scores = np.log(found / (1 - found))
    np.testing.assert_allclose(scores[:, :, :8], 0.5, atol=1e-4)
    np.testing.assert_allclose(scores[:, :, 8:16], -0.25, atol=1e-4)  # mean of +0.5 and -1
    np.testing.assert_allclose(scores[:, :, 16:], -1, atol=1e-4)


class OwnPlace(nn.Module):
    """Score by the place in the window: overlapping windows never agree."""

    def forward(self, x):
        ramp = torch.linspace(-1, 1, x[0, 0].numel()).view(x.shape[2:]).expand_as(x)
        return torch.cat([x, ramp, ramp * x], dim=1)


@pytest.mark.parametrize("weighting", ["constant", "gaussian"])
@pytest.mark.parametrize("shape", [(11, 37, 20), (4, 16, 16), (3, 40, 12), (20, 9, 33)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
def test_the_whole_is_what_monai_gives(shape, weighting, overlap):
    image = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    volume = torch.from_numpy(image.astype(np.float32)).mul_(2 / 65535).sub_(1)[None, None]
    scores = sliding_window_inference(volume, (4, 16, 16), 1, OwnPlace(), overlap, mode=weighting, cval=-1.0)
    found = predict_whole(OwnPlace(), image, (4, 16, 16), overlap, weighting, 3, CPU)
    np.testing.assert_allclose(found, scores[0].softmax(dim=0).numpy(), atol=1e-5)


def test_slabs_come_as_soon_as_no_window_reaches_them():
    image = np.zeros((20, 16, 16), np.uint16)
    slabs = [slab.shape[1] for slab in predict_slabs(Brightness(), image, (4, 16, 16), 0.5, "constant", 1, CPU)]
    assert slabs == [2] * 8 + [4]
    slabs = [slab.shape[1] for slab in predict_slabs(Brightness(), image, (4, 16, 16), 0.5, "constant", 3, CPU)]
    assert slabs == [6, 6, 8]
