"""Synthetic volumes whose structures change their brightness from slice to slice."""

import numpy as np
import pytest

from dar_uda.translation.inter_slice_correction import correct_between_slices


def test_every_slice_of_a_structure_comes_to_its_median():
    label = np.zeros((5, 40, 40), np.uint8)
    label[:, 10:30, 10:30] = 2
    volume = np.full(label.shape, 0.1, np.float32)
    for slice_, level in zip(volume, (0.3, 0.3, 0.9, 0.3, 0.3), strict=True):
        slice_[10:30, 10:30] = level
    found = correct_between_slices(volume, label)
    # 400 pixels: all but 20 / 420 of the shift.
    expected = 0.9 + (0.3 - 0.9) * 400 / 420
    assert found[2, 20, 20] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(found[[0, 1, 3, 4]], volume[[0, 1, 3, 4]], atol=1e-6)
    assert found[2, 9, 20] == 0, "next to the structure, a third of the shift, clipped"
    np.testing.assert_array_equal(found[2, :8], volume[2, :8])


def test_texture_and_other_structures_stay():
    rng = np.random.default_rng(0)
    label = np.zeros((4, 40, 40), np.uint8)
    label[:, 2:18, 2:38], label[:, 22:38, 2:38] = 1, 2
    volume = (0.3 + 0.3 * (label == 2) + 0.1 * rng.random(label.shape)).astype(np.float32)
    volume[1][label[1] == 1] += 0.2
    found = correct_between_slices(volume, label)
    inner = np.s_[1, 4:16, 4:36]
    np.testing.assert_allclose(found[inner] - found[inner].mean(), volume[inner] - volume[inner].mean(), atol=1e-5)
    # The median of three slices in [0.3, 0.4] and one above is 0.3 + 0.1 * 2 / 3; 20 / 596 of the shift stays.
    assert found[inner].mean() == pytest.approx(0.367 + 0.18 * 20 / 596, abs=0.005)
    np.testing.assert_allclose(found[:, 24:36, 4:36], volume[:, 24:36, 4:36], atol=0.01)


def test_a_structure_of_a_few_pixels_is_hardly_shifted():
    label = np.zeros((3, 20, 20), np.uint8)
    label[:2, 5:15, 5:15], label[2, 5:7, 5:7] = 1, 1
    volume = np.where(label > 0, 0.4, 0.0).astype(np.float32)
    volume[2][label[2] == 1] = 0.8
    found = correct_between_slices(volume, label)
    # 4 pixels: 4 / 24 of the shift of -0.4, of which smoothing leaves 4 ninths at a corner of the square.
    assert found[2, 5, 5] == pytest.approx(0.8 - 0.4 * 4 / 24 * 4 / 9, abs=1e-3)
