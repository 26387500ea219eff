"""Dice and volumes against numbers worked out by hand."""

import numpy as np
import pytest

from dar_uda.evaluation.overlap import dice, relative_volume_difference, volume_ml
from tests.evaluation.shapes import TILT, plane


def test_dice_of_half_overlapping_bars_is_one_half():
    first, second = np.zeros((1, 1, 6), bool), np.zeros((1, 1, 6), bool)
    first[..., 0:4] = True
    second[..., 2:6] = True
    assert dice(first, second) == pytest.approx(2 * 2 / (4 + 4))


def test_dice_of_a_mask_with_itself_is_one():
    assert dice(plane(0), plane(0)) == 1.0


def test_dice_of_disjoint_masks_is_zero():
    assert dice(plane(0), plane(1)) == 0.0


def test_one_empty_mask_gives_dice_zero_and_two_give_none():
    empty = np.zeros_like(plane(0))
    assert dice(empty, plane(0)) == dice(plane(0), empty) == 0.0
    assert np.isnan(dice(empty, empty))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.5, 0.75)])
@pytest.mark.parametrize("radius_mm", [18.0, 24.0])
def test_two_shifted_balls_overlap_as_their_lens_says(spacing, radius_mm):
    """Dice of two balls of radius r at distance d is (1 - d / 2r)^2 (1 + d / 4r): the lens's volume over the ball's."""
    size = [round(80 / step) for step in spacing]
    places = np.indices(size) * np.reshape(spacing, (3, 1, 1, 1)) - 40
    distance = 12.0
    balls = [((places - np.reshape([0, 0, x], (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius_mm**2 for x in (-6, 6)]
    share = distance / radius_mm
    expected = (1 - share / 2) ** 2 * (1 + share / 4)
    assert dice(*balls) == pytest.approx(expected, abs=0.01)


def test_ten_voxels_of_a_hundred_mm3_are_one_ml():
    mask = np.zeros((4, 5, 6), bool)
    mask[1, :, :2] = True
    assert volume_ml(mask, np.diag([2, 5, 10.0])) == pytest.approx(1.0)
    assert volume_ml(mask & False, np.diag([2, 5, 10.0])) == 0


def test_gantry_tilt_does_not_change_the_volume_of_a_voxel():
    """A sheared box has the volume of base times height, 0.7 x 0.8 x 3 mm; the lengths of its edges say 8 % more."""
    mask = np.ones((10, 10, 10), bool)
    assert volume_ml(mask, TILT) == pytest.approx(0.7 * 0.8 * 3.0)
    assert volume_ml(mask, TILT[:, ::-1] * (1, -1, 1)) == pytest.approx(0.7 * 0.8 * 3.0)
    assert np.prod(np.linalg.norm(TILT, axis=0)) > 1.07 * 0.7 * 0.8 * 3.0


def test_the_relative_volume_difference_is_signed_and_needs_a_reference():
    assert relative_volume_difference(30.0, 40.0) == -0.25
    assert relative_volume_difference(60.0, 40.0) == 0.5
    assert relative_volume_difference(0.0, 40.0) == -1.0
    assert np.isnan(relative_volume_difference(3.0, 0.0)) and np.isnan(relative_volume_difference(0.0, 0.0))


def test_different_shapes_are_refused_by_name():
    with pytest.raises(ValueError, match=r"DAR-360.*\(2, 3, 4\).*\(2, 3, 5\)"):
        dice(np.ones((2, 3, 4), bool), np.ones((2, 3, 5), bool))
