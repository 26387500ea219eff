"""Dice and ASD against numbers worked out by hand, the definition, and MedPy on the whole volume."""

import numpy as np
import pytest
from medpy.metric import binary
from scipy.ndimage import gaussian_filter

from dar_uda.evaluation.metrics import average_surface_distance, dice, score_structures


def plane(position: int) -> np.ndarray:
    mask = np.zeros((8, 6, 7), dtype=bool)
    mask[2 + position] = True
    return mask


def ball(radius: float, size: int = 41) -> np.ndarray:
    axes = np.indices((size, size, size)) - size // 2
    return (axes**2).sum(axis=0) <= radius**2


def surface_points(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The definition, voxel by voxel: a voxel of the mask with a face neighbor that is not."""
    padded = np.pad(mask, 1)
    points = []
    for index in np.argwhere(padded):
        steps = np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
        if not all(padded[tuple(index + step)] for step in steps):
            points.append((index - 1) * np.array(spacing))
    return np.array(points)


def test_dice_of_half_overlapping_bars_is_one_half():
    first, second = np.zeros((1, 1, 6), bool), np.zeros((1, 1, 6), bool)
    first[..., 0:4] = True
    second[..., 2:6] = True
    assert dice(first, second) == pytest.approx(2 * 2 / (4 + 4))


def test_dice_of_a_mask_with_itself_is_one():
    assert dice(plane(0), plane(0)) == 1.0


def test_dice_of_disjoint_masks_is_zero():
    assert dice(plane(0), plane(1)) == 0.0


def test_one_empty_mask_gives_dice_zero_and_no_distance():
    empty = np.zeros_like(plane(0))
    for pair in ((empty, plane(0)), (plane(0), empty)):
        assert dice(*pair) == 0.0
        assert np.isnan(average_surface_distance(*pair, spacing=(1, 1, 1)))


def test_two_empty_masks_give_neither_dice_nor_distance():
    empty = np.zeros_like(plane(0))
    assert np.isnan(dice(empty, empty))
    assert np.isnan(average_surface_distance(empty, empty, spacing=(1, 1, 1)))


@pytest.mark.parametrize("shift, expected_mm", [(0, 0.0), (1, 5.0), (2, 10.0), (-2, 10.0)])
def test_asd_of_shifted_plane_is_shift_times_spacing(shift, expected_mm):
    asd = average_surface_distance(plane(0), plane(shift), spacing=(5.0, 1.0, 1.0))
    assert asd == pytest.approx(expected_mm)


def test_asd_pools_the_distances_of_both_directions():
    one, three = np.zeros((1, 1, 9), bool), np.zeros((1, 1, 9), bool)
    one[..., 0] = True
    three[..., [0, 2, 4]] = True
    # One to three: 0; three to one: 0, 4, 8 mm (2 mm voxels). Pooled: 12 / 4; the mean of two means were 2.
    assert average_surface_distance(one, three, spacing=(1, 1, 2)) == pytest.approx(3.0)


def test_asd_of_concentric_balls_is_about_the_difference_of_radii():
    assert average_surface_distance(ball(12), ball(16), spacing=(1, 1, 1)) == pytest.approx(4.0, abs=0.25)
    assert average_surface_distance(ball(12), ball(16), spacing=(2, 2, 2)) == pytest.approx(8.0, abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_asd_follows_the_definition_on_random_masks(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 5, 6, 7)) < 0.3
    spacing = (4.0, 1.5, 0.7)
    p, t = surface_points(first, spacing), surface_points(second, spacing)
    distances = np.linalg.norm(p[:, None] - t[None], axis=-1)
    expected = np.concatenate([distances.min(axis=1), distances.min(axis=0)]).mean()
    assert average_surface_distance(first, second, spacing) == pytest.approx(expected)


@pytest.mark.parametrize("corner", [(0, 0, 0), (10, 12, 9), (14, 20, 23)])
def test_asd_equals_medpy_on_the_whole_volume(corner):
    rng = np.random.default_rng(3)
    first, second = np.zeros((2, 20, 26, 30), dtype=bool)
    box = tuple(slice(start, start + length) for start, length in zip(corner, (6, 6, 7), strict=True))
    first[box], second[box] = rng.random((2, 6, 6, 7)) < 0.6
    spacing = (3.0, 0.8, 0.9)
    expected = binary.assd(first, second, spacing)
    assert average_surface_distance(first, second, spacing) == pytest.approx(expected)


def random_labels(rng: np.random.Generator) -> np.ndarray:
    """Return a label map of smooth random blobs of three structures, many of which touch the volume's border."""
    noise = np.stack([gaussian_filter(rng.random((14, 20, 18)), 1.5) for _ in range(4)])
    return noise.argmax(axis=0).astype(np.uint8)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("seed", range(4))
def test_scores_of_label_maps_equal_medpy_structure_by_structure(seed, order):
    rng = np.random.default_rng(seed)
    prediction, reference = (np.array(random_labels(rng), order=order) for _ in range(2))
    spacing = (4.0, 0.7, 1.3)
    for structure, score in enumerate(score_structures(prediction, reference, 3, spacing), start=1):
        masks = prediction == structure, reference == structure
        assert score.dice == pytest.approx(binary.dc(*masks), abs=1e-12)
        assert score.asd_mm == pytest.approx(binary.assd(*masks, voxelspacing=spacing), abs=1e-9)


def test_single_voxels_far_apart_are_as_far_as_their_distance():
    prediction, reference = np.zeros((2, 10, 20, 30), np.uint8)
    prediction[0, 0, 0] = reference[9, 19, 29] = 1
    (score,) = score_structures(prediction, reference, 1, spacing=(4, 1, 2))
    assert score == (0, pytest.approx(np.sqrt(36**2 + 19**2 + 58**2)))


def test_a_voxel_inside_a_bar_is_scored_in_both_directions():
    prediction, reference = np.zeros((2, 1, 1, 9), np.uint8)
    prediction[0, 0, 4] = 1
    reference[0, 0, 2:7] = 1
    # All five voxels of the bar are surface, 2 1 0 1 2 voxels of 3 mm away; the voxel itself lies on it: 18 mm / 6.
    assert score_structures(prediction, reference, 1, spacing=(1, 1, 3)) == [(2 * 1 / (1 + 5), pytest.approx(3.0))]


def test_a_structure_in_one_label_map_or_in_none_has_no_distance_and_higher_labels_are_ignored():
    prediction, reference = np.zeros((2, 4, 4, 4), np.uint8)
    prediction[0], prediction[1], reference[2], reference[3] = 1, 3, 2, 9
    one, two, three, four = score_structures(prediction, reference, 4, spacing=(1, 1, 1))
    assert one.dice == two.dice == three.dice == 0 and np.isnan(four.dice)
    assert np.isnan([score.asd_mm for score in (one, two, three, four)]).all()


def test_two_empty_label_maps_score_nothing():
    empty = np.zeros((3, 4, 5), np.uint8)
    assert np.isnan(score_structures(empty, empty, 2, spacing=(1, 1, 1))).all()


def test_different_shapes_are_refused_by_name():
    first, second = np.ones((2, 3, 4), bool), np.ones((2, 3, 5), bool)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(2, 3, 5\)"):
        dice(first, second)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(2, 3, 5\)"):
        average_surface_distance(first, second, spacing=(1, 1, 1))
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(2, 3, 5\)"):
        score_structures(first.astype(np.uint8), second.astype(np.uint8), 1, spacing=(1, 1, 1))


SPACING = (4.0, 0.7, 1.3)


@pytest.mark.parametrize("seed", range(4))
def test_scores_keep_their_value_where_geometry_says_so(seed):
    """Exchanged label maps, permuted and flipped axes with their spacing, empty margins; ASD grows with the spacing."""
    rng = np.random.default_rng(seed)
    one, other = random_labels(rng), random_labels(rng)
    expected = score_structures(one, other, 3, SPACING)
    order = rng.permutation(3)
    permuted = [np.transpose(labels, order) for labels in (one, other)]
    axis = int(rng.integers(3))
    flipped = [np.flip(labels, axis) for labels in (one, other)]
    padded = [np.pad(labels, [(2, 0), (1, 3), (0, 5)]) for labels in (one, other)]
    same = {
        "exchanged": score_structures(other, one, 3, SPACING),
        "permuted": score_structures(*permuted, 3, tuple(SPACING[axis] for axis in order)),
        "padded": score_structures(*padded, 3, SPACING),
        "flipped": score_structures(*flipped, 3, SPACING),
        "scaled": [
            (score.dice, score.asd_mm / 2.5)
            for score in score_structures(one, other, 3, tuple(2.5 * s for s in SPACING))
        ],
    }
    for name, found in same.items():
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=name)


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
