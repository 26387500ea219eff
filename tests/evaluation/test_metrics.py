"""Scores of label maps against numbers worked out by hand and MedPy on the whole volume."""

import numpy as np
import pytest
from medpy.metric import binary

from dar_uda.evaluation.metrics import score_structures
from tests.evaluation.shapes import random_labels

SPACING = (4.0, 0.7, 1.3)
TOLERANCES = [2.0, 1.0, 4.0]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("seed", range(4))
def test_scores_of_label_maps_equal_medpy_structure_by_structure(seed, order):
    rng = np.random.default_rng(seed)
    prediction, reference = (np.array(random_labels(rng), order=order) for _ in range(2))
    for structure, score in enumerate(score_structures(prediction, reference, np.diag(SPACING), TOLERANCES), start=1):
        masks = prediction == structure, reference == structure
        assert score.dice == pytest.approx(binary.dc(*masks), abs=1e-12)
        assert score.asd_mm == pytest.approx(binary.assd(*masks, voxelspacing=SPACING), abs=1e-9)
        assert score.hd95_mm == pytest.approx(binary.hd95(*masks, voxelspacing=SPACING), abs=1e-9)
        assert score.rvd == pytest.approx(binary.ravd(*masks), abs=1e-12)
        assert [score.predicted_ml, score.reference_ml] == pytest.approx([m.sum() * 3.64 / 1000 for m in masks])


def test_single_voxels_far_apart_are_as_far_as_their_distance():
    prediction, reference = np.zeros((2, 10, 20, 30), np.uint8)
    prediction[0, 0, 0] = reference[9, 19, 29] = 1
    (score,) = score_structures(prediction, reference, np.diag([4, 1, 2.0]), [3.0])
    assert score.dice == 0
    assert score.asd_mm == score.hd95_mm == pytest.approx(np.sqrt(36**2 + 19**2 + 58**2))


def test_a_voxel_inside_a_bar_is_scored_in_both_directions():
    prediction, reference = np.zeros((2, 1, 1, 9), np.uint8)
    prediction[0, 0, 4] = 1
    reference[0, 0, 2:7] = 1
    (score,) = score_structures(prediction, reference, np.diag([1, 1, 3.0]), [None])
    # All five voxels of the bar are surface, 2 1 0 1 2 voxels of 3 mm away; the voxel itself lies on it: 18 mm / 6.
    assert (score.dice, score.asd_mm) == (2 * 1 / (1 + 5), pytest.approx(3.0))
    # 0 0 3 3 6 6 mm: 95 % of five steps is at 4.75, between 6 and 6.
    assert score.hd95_mm == pytest.approx(6.0)
    assert np.isnan(score.nsd)  # without a tolerance
    assert (score.rvd, score.reference_ml, score.predicted_ml) == pytest.approx((-0.8, 0.015, 0.003))


def test_a_structure_in_one_label_map_or_in_none_has_no_distance_and_higher_labels_are_ignored():
    prediction, reference = np.zeros((2, 4, 4, 4), np.uint8)
    prediction[0], prediction[1], reference[2], reference[3] = 1, 3, 2, 9
    one, two, three, four = score_structures(prediction, reference, np.eye(3), [1.0] * 4)
    assert one.dice == two.dice == three.dice == 0 and np.isnan(four.dice)
    assert np.isnan([(score.asd_mm, score.hd95_mm, score.asd_area_mm) for score in (one, two, three, four)]).all()
    assert one.nsd == two.nsd == three.nsd == 0 and np.isnan(four.nsd)
    assert two.rvd == -1 and np.isnan([one.rvd, three.rvd, four.rvd]).all()
    assert [score.predicted_ml for score in (one, two, three, four)] == [0.016, 0, 0.016, 0]
    assert [score.reference_ml for score in (one, two, three, four)] == [0, 0.016, 0, 0]


def test_two_empty_label_maps_have_volumes_of_0_and_no_other_score():
    empty = np.zeros((3, 4, 5), np.uint8)
    for score in score_structures(empty, empty, np.eye(3), [1.0, 2.0]):
        assert score[-2:] == (0, 0) and np.isnan(score[:-2]).all()


def test_different_shapes_are_refused_by_name():
    first, second = np.ones((2, 3, 4), np.uint8), np.ones((2, 3, 5), np.uint8)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(2, 3, 5\)"):
        score_structures(first, second, np.eye(3), [1.0])


@pytest.mark.parametrize("seed", range(4))
def test_scores_keep_their_value_where_geometry_says_so(seed):
    """Permuted and flipped axes with their affine, empty margins; lengths and volumes grow with the spacing."""
    rng = np.random.default_rng(seed)
    one, other = random_labels(rng), random_labels(rng)
    matrix = np.diag(SPACING)
    expected = np.array(score_structures(one, other, matrix, TOLERANCES))
    order, axis = rng.permutation(3), int(rng.integers(3))
    permuted = [np.transpose(labels, order) for labels in (one, other)]
    flipped = [np.flip(labels, axis) for labels in (one, other)]
    padded = [np.pad(labels, [(2, 0), (1, 3), (0, 5)]) for labels in (one, other)]
    same = {
        "permuted": score_structures(*permuted, matrix[:, order], TOLERANCES),
        "padded": score_structures(*padded, matrix, TOLERANCES),
        "flipped": score_structures(*flipped, matrix * np.where(np.arange(3) == axis, -1, 1), TOLERANCES),
        "scaled": np.divide(
            score_structures(one, other, 2.5 * matrix, [2.5 * tolerance for tolerance in TOLERANCES]), GROWTH
        ),
    }
    for name, found in same.items():
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=name)
    exchanged = np.array(score_structures(other, one, matrix, TOLERANCES))
    np.testing.assert_allclose(exchanged[:, :5], expected[:, :5], rtol=1e-12)
    np.testing.assert_allclose(exchanged[:, [-1, -2]], expected[:, [-2, -1]], rtol=1e-12)


GROWTH = [1, 2.5, 2.5, 1, 2.5, 1, 2.5**3, 2.5**3]
"""By how much each score grows where the spacing grows by 2.5."""
