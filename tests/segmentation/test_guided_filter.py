import numpy as np
import pytest
import torch

from dar_uda.data.network_volume import LEVELS
from dar_uda.segmentation.guided_filter import EPSILON, follow_edges, guided_filter


def by_definition(values, guide, radius):
    """He, Sun and Tang's equations 5, 6 and 8 for one slice: a line fitted in every window, then the mean of lines."""
    height, width = guide.shape
    reach = [
        [(slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)) for x in range(width)]
        for y in range(height)
    ]
    slope, offset = np.zeros((2, height, width))
    for y in range(height):
        for x in range(width):
            i, p = guide[reach[y][x]], values[reach[y][x]]
            slope[y, x] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + EPSILON)
            offset[y, x] = p.mean() - slope[y, x] * i.mean()
    lines = [
        [slope[reach[y][x]].mean() * guide[y, x] + offset[reach[y][x]].mean() for x in range(width)]
        for y in range(height)
    ]
    return np.array(lines)


@pytest.mark.parametrize("radius", [1, 3])
def test_every_slice_and_class_is_filtered_as_the_paper_defines_it(radius):
    rng = np.random.default_rng(0)
    values, guide = rng.random((2, 3, 7, 9)), rng.random((3, 7, 9))
    found = guided_filter(torch.from_numpy(values), torch.from_numpy(guide), radius)
    expected = [
        [by_definition(plane, where, radius) for plane, where in zip(each, guide, strict=True)] for each in values
    ]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_blurred_border_moves_to_the_edge_of_the_image():
    image = torch.zeros(1, 8, 16)
    image[..., 8:] = 1
    ramp = ((torch.arange(16) - 4) / 8).clamp(0, 1).expand(1, 1, 8, 16)  # crosses one half between pixels 7 and 8
    misplaced = ((torch.arange(16) - 6) / 8).clamp(0, 1).expand(1, 1, 8, 16)  # and here at pixel 10
    for blurred in (ramp, misplaced):
        found = guided_filter(blurred, image, 6)[0, 0, 4] > 0.5
        assert found.tolist() == [False] * 8 + [True] * 8


def test_probabilities_go_on_summing_to_1():
    probabilities = torch.rand(5, 2, 12, 12, generator=torch.Generator().manual_seed(0)).softmax(0)
    image = torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(guided_filter(probabilities, image, 3).sum(0), torch.ones(2, 12, 12))


def test_where_the_filter_leaves_0_to_1_probabilities_still_sum_to_1_and_the_likeliest_stays():
    """One bright pixel: before, two classes had 1 there, and the first of them became the mask."""
    image, probabilities = np.full((1, 64, 64), 0.45), torch.zeros(3, 1, 64, 64)
    image[:, :20], image[:, 40, 40] = 0, 1
    probabilities[2, :, :20] = 1
    probabilities[:2, :, 20:] = torch.tensor([0.49, 0.51])[:, None, None, None]
    stored = (image * LEVELS).astype(np.uint16)
    assert guided_filter(probabilities, torch.from_numpy(image).float(), 63).max() > 1
    (found,) = follow_edges([probabilities], stored, 63)
    assert found.min() >= 0 and found[:, 0, 40, 40].argmax() == 1
    torch.testing.assert_close(found.sum(0), torch.ones(1, 64, 64))
