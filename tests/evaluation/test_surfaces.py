"""ASD and HD95 against numbers worked out by hand, the definition, and MedPy on the whole volume."""

import numpy as np
import pytest
from medpy.metric import binary

from dar_uda.evaluation.surfaces import average_surface_distance, hausdorff_95, surface_distances
from tests.evaluation.shapes import TILT, ball, plane

UNIT = np.eye(3)


def asd(prediction, reference, matrix):
    return average_surface_distance(surface_distances(prediction, reference, matrix))


def hd95(prediction, reference, matrix):
    return hausdorff_95(surface_distances(prediction, reference, matrix))


def surface_points(mask: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The definition, voxel by voxel: a voxel of the mask with a face neighbor that is not."""
    padded = np.pad(mask, 1)
    points = []
    for index in np.argwhere(padded):
        steps = np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
        if not all(padded[tuple(index + step)] for step in steps):
            points.append(matrix @ (index - 1))
    return np.array(points)


def test_an_empty_mask_has_no_distances():
    empty = np.zeros_like(plane(0))
    for pair in ((empty, plane(0)), (plane(0), empty), (empty, empty)):
        assert np.isnan([asd(*pair, UNIT), hd95(*pair, UNIT)]).all()


@pytest.mark.parametrize("shift, expected_mm", [(0, 0.0), (1, 5.0), (2, 10.0), (-2, 10.0)])
def test_asd_and_hd95_of_a_shifted_plane_are_shift_times_spacing(shift, expected_mm):
    pair = plane(0), plane(shift), np.diag([5.0, 1.0, 1.0])
    assert asd(*pair) == pytest.approx(expected_mm)
    assert hd95(*pair) == pytest.approx(expected_mm)


def test_asd_pools_the_distances_of_both_directions():
    one, three = np.zeros((1, 1, 9), bool), np.zeros((1, 1, 9), bool)
    one[..., 0] = True
    three[..., [0, 2, 4]] = True
    # One to three: 0; three to one: 0, 4, 8 mm (2 mm voxels). Pooled: 12 / 4; the mean of two means were 2.
    assert asd(one, three, np.diag([1, 1, 2.0])) == pytest.approx(3.0)
    # 95 % of the way from the first to the last of 0, 0, 4, 8 is at 2.85: 4 + 0.85 * 4.
    assert hd95(one, three, np.diag([1, 1, 2.0])) == pytest.approx(7.4)


def test_asd_of_concentric_balls_is_about_the_difference_of_radii():
    assert asd(ball(12), ball(16), UNIT) == pytest.approx(4.0, abs=0.25)
    assert asd(ball(12), ball(16), 2 * UNIT) == pytest.approx(8.0, abs=0.5)
    assert hd95(ball(12), ball(16), UNIT) == pytest.approx(4.5, abs=0.5)


@pytest.mark.parametrize("matrix", [np.diag([4.0, 1.5, 0.7]), TILT], ids=["orthogonal", "tilted"])
@pytest.mark.parametrize("seed", range(3))
def test_asd_and_hd95_follow_the_definition_on_random_masks(seed, matrix):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 5, 6, 7)) < 0.3
    p, t = surface_points(first, matrix), surface_points(second, matrix)
    distances = np.linalg.norm(p[:, None] - t[None], axis=-1)
    pooled = np.concatenate([distances.min(axis=1), distances.min(axis=0)])
    assert asd(first, second, matrix) == pytest.approx(pooled.mean())
    assert hd95(first, second, matrix) == pytest.approx(np.percentile(pooled, 95))


@pytest.mark.parametrize("corner", [(0, 0, 0), (10, 12, 9), (14, 20, 23)])
def test_asd_and_hd95_equal_medpy_on_the_whole_volume_up_to_its_edges(corner):
    rng = np.random.default_rng(3)
    first, second = np.zeros((2, 20, 26, 30), dtype=bool)
    box = tuple(slice(start, start + length) for start, length in zip(corner, (6, 6, 7), strict=True))
    first[box], second[box] = rng.random((2, 6, 6, 7)) < 0.6
    spacing = (3.0, 0.8, 0.9)
    assert asd(first, second, np.diag(spacing)) == pytest.approx(binary.assd(first, second, spacing), abs=1e-9)
    assert hd95(first, second, np.diag(spacing)) == pytest.approx(binary.hd95(first, second, spacing), abs=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 0.8, 0.8)])
@pytest.mark.parametrize("radii", [(5, 9), (9, 9), (12, 3)])
def test_asd_and_hd95_of_balls_equal_medpy(radii, spacing):
    first, second = ball(radii[0]), np.roll(ball(radii[1]), 3, axis=1)
    assert asd(first, second, np.diag(spacing)) == pytest.approx(binary.assd(first, second, spacing), abs=1e-9)
    assert hd95(first, second, np.diag(spacing)) == pytest.approx(binary.hd95(first, second, spacing), abs=1e-9)


def test_the_cut_at_the_edge_of_a_scan_counts_as_surface_like_every_other():
    """Two slabs from the first slice on, one and two slices thick: the cut that they share has distance 0."""
    thin, thick = np.zeros((2, 5, 4, 4), bool)
    thin[:1], thick[:2] = True, True
    # All voxels are surface, 16 of thin at 0 mm; of thick 16 at 0 mm and 16 at one slice of 3 mm.
    assert asd(thin, thick, np.diag([3.0, 1, 1])) == pytest.approx(16 * 3 / 48)


def test_asd_depends_on_the_direction_of_a_shift_on_thick_slices():
    """A block shifted by 6 mm along and across slices of 6 mm: one number by symmetry in a scan of equal spacings."""
    block = np.zeros((12, 30, 30), bool)
    block[4:8, 10:18, 10:18] = True  # 24 x 24 x 24 mm
    matrix = np.diag([6.0, 3.0, 3.0])
    across, along = np.roll(block, 1, axis=0), np.roll(block, 2, axis=1)
    assert asd(block, across, matrix) / asd(block, along, matrix) > 1.2


def test_gantry_tilt_counts_as_the_affine_has_it():
    """Two voxels one slice apart: 1.2 mm along the second axis and 3 mm in height."""
    first, second = np.zeros((2, 1, 2, 2), bool)
    first[0, 0, 0] = second[0, 0, 1] = True
    assert asd(first, second, TILT) == pytest.approx(np.hypot(1.2, 3.0))
    second[0, 0, 1], second[0, 1, 1] = False, True
    assert asd(first, second, TILT) == pytest.approx(np.hypot(0.8 + 1.2, 3.0))
