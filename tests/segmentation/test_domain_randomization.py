"""New looks for training patches: what changes, what must not."""

import numpy as np
import pytest
import torch

from dar_uda.segmentation.domain_randomization import DomainRandomization, change_structures, random_convolution


def patch(seed=0):
    """Return an image in [0, 1] and a label map with two structures, each with its own level."""
    label = torch.zeros(6, 40, 40, dtype=torch.uint8)
    label[:, 5:15, 5:15], label[:, 20:35, 20:35] = 1, 2
    noise = torch.rand(label.shape, generator=torch.Generator().manual_seed(seed)) * 0.1
    return torch.tensor([0.2, 0.5, 0.7])[label.long()] + noise, label


def levels(image):
    """Return the mean of each structure, away from its border."""
    return float(image[:, 6:14, 6:14].mean()), float(image[:, 21:34, 21:34].mean())


def test_a_random_convolution_keeps_range_mean_and_deviation():
    image, _ = patch()
    for seed in range(20):
        new = random_convolution(image, np.random.default_rng(seed))
        assert new.shape == image.shape
        assert 0 <= float(new.min()) <= float(new.max()) <= 1
        assert float(new.mean()) == pytest.approx(float(image.mean()), abs=0.1), "but for the clipping"
        assert float(new.std()) == pytest.approx(float(image.std()), rel=0.5)


def test_random_convolutions_change_the_order_of_brightness_now_and_then():
    image, _ = patch()
    orders = []
    for seed in range(40):
        first, second = levels(random_convolution(image, np.random.default_rng(seed)))
        orders.append(second > first)
    assert 0 < sum(orders) < len(orders)


def test_a_constant_image_stays_as_it_is():
    image = torch.full((4, 16, 16), 0.3)
    assert torch.equal(random_convolution(image, np.random.default_rng(0)), image)


def test_structures_get_their_shift_and_gain_and_background_stays():
    image, label = patch()
    new = change_structures(image, label, np.random.default_rng(3), 3)
    draws = np.random.default_rng(3)
    gains, shifts = np.exp(draws.normal(scale=0.4, size=3)), draws.normal(scale=0.2, size=3)
    far = np.s_[:, :3, :], np.s_[:, 37:, :]
    for place in far:
        assert torch.equal(new[place], image[place])
    for structure, inside in ((1, np.s_[:, 6:14, 6:14]), (2, np.s_[:, 21:34, 21:34])):
        mean = image[label == structure].mean()
        expected = mean + shifts[structure] + gains[structure] * (image[inside] - mean)
        torch.testing.assert_close(new[inside], expected.float().clamp(0, 1), atol=1e-5, rtol=0)


def test_equal_draws_give_equal_patches_and_zero_fractions_change_nothing():
    image, label = patch()
    always, never = DomainRandomization(gin=1, structure_contrast=1, source_fraction=0), DomainRandomization(0, 0, 0)
    first, second = (always.apply(image, label, np.random.default_rng(5), 3) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, image)
    assert torch.equal(never.apply(image, label, np.random.default_rng(5), 3), image)
