"""Distances weighted by area against shapes of known surfaces and numbers of DeepMind's `surface-distance`."""

import numpy as np
import pytest

from dar_uda.evaluation.surface_area import (
    PLACES,
    areas_of_codes,
    average_distance_by_area,
    compare_surfels,
    normalized_surface_dice,
)
from tests.evaluation.shapes import TILT, ball, random_labels

UNIT = np.eye(3)


def area_of(mask, matrix):
    """Return the area of a mask's surface in mm2."""
    return compare_surfels(mask, mask, matrix).areas.sum() / 2


def block(shape, low, high):
    mask = np.zeros(shape, bool)
    mask[tuple(map(slice, low, high))] = True
    return mask


def test_the_area_of_one_voxel_is_that_of_the_octahedron_around_its_center():
    """Its corners lie half a step from the center: 8 triangles with edges of sqrt(1/2), 8 sqrt(3) / 8 mm2."""
    assert area_of(block((1, 1, 1), (0, 0, 0), (1, 1, 1)), UNIT) == pytest.approx(np.sqrt(3))


def test_the_area_of_a_block_is_that_of_its_faces_its_beveled_edges_and_its_corners():
    """Of n voxels along an edge, a face has (n - 1)^2, an edge (n - 1) sqrt(1/2), a corner sqrt(3) / 8, in mm2."""
    mask = block((8, 8, 8), (1, 1, 1), (7, 7, 7))
    assert area_of(mask, UNIT) == pytest.approx(6 * 25 + 12 * 5 * np.sqrt(0.5) + np.sqrt(3))


def test_the_area_of_a_slab_is_that_of_its_two_faces_and_its_beveled_rim_in_mm2():
    slab = block((5, 60, 50), (2, 0, 0), (3, 60, 50))
    faces = 2 * (59 * 0.8) * (49 * 1.5)
    rims = 4 * (59 * 0.8) * np.hypot(2, 0.75) + 4 * (49 * 1.5) * np.hypot(2, 0.4)
    corners = np.linalg.norm([0.8 * 1.5, 4 * 1.5, 4 * 0.8])
    assert area_of(slab, np.diag([4.0, 0.8, 1.5])) == pytest.approx(faces + rims + corners)


@pytest.mark.parametrize("radius", [12, 18])
def test_the_area_of_a_ball_is_somewhat_larger_than_that_of_the_sphere_because_voxels_have_steps(radius):
    sphere = 4 * np.pi * radius**2
    assert 1.05 * sphere < area_of(ball(radius), UNIT) < 1.12 * sphere


def test_gantry_tilt_keeps_the_area_of_a_face_and_stretches_what_leans():
    """A face along the slices keeps its area; one across them has edges of 0.7 mm and of hypot(1.2, 3) mm."""
    code = int(PLACES[:, :, 0].sum())
    assert areas_of_codes(TILT)[code] == pytest.approx(0.7 * 0.8)
    code = int(PLACES[:, 0].sum())
    assert areas_of_codes(TILT)[code] == pytest.approx(0.7 * np.hypot(1.2, 3))


def test_a_surface_has_the_same_area_from_both_sides_and_in_every_orientation():
    areas = areas_of_codes(UNIT)
    for code in range(256):
        inside = (PLACES & code) > 0
        images = [~inside, inside[::-1], inside.transpose(2, 0, 1), inside[:, ::-1].transpose(1, 0, 2)]
        for image in images:
            assert areas[PLACES[image].sum()] == pytest.approx(areas[code])


def test_the_areas_of_neighborhoods_worked_out_by_hand():
    """Corner, edge, L (a triangle and a trapezoid), face, hexagon, two edges, twisted hexagon, two corners."""
    areas = areas_of_codes(UNIT)
    assert areas[0] == areas[255] == 0 and (areas[1:255] > 0).all()
    triangle = np.sqrt(3) / 8
    by_hand = {
        ((0, 0, 0),): triangle,
        ((0, 0, 0), (0, 0, 1)): np.sqrt(0.5),
        ((0, 0, 0), (0, 0, 1), (0, 1, 0)): 0.5 + 3 * triangle,
        ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)): 1.0,
        ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)): 6 * triangle,
        ((0, 0, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)): 2 * np.sqrt(0.5),
        ((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)): 4 * triangle + 2 * np.sqrt(1 / 8),
        ((0, 0, 0), (1, 1, 1)): 2 * triangle,
    }
    for voxels, area in by_hand.items():
        assert areas[sum(int(PLACES[voxel]) for voxel in voxels)] == pytest.approx(area), voxels


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_the_same_shift_counts_the_same_along_and_across_thick_slices(shift):
    """Of a cube shifted by d, two faces lie d away and the others 0: ASD by area is about d / 3 in every direction."""
    mask = block((24, 60, 60), (4, 20, 20), (9, 40, 40))  # 20 mm along each edge
    matrix = np.diag([4.0, 1.0, 1.0])
    across = compare_surfels(mask, np.roll(mask, shift, axis=0), matrix)
    along = compare_surfels(mask, np.roll(mask, 4 * shift, axis=1), matrix)
    ratio = average_distance_by_area(across) / average_distance_by_area(along)
    assert ratio == pytest.approx(1, abs=0.12)


def test_the_nsd_of_a_shifted_slab_worked_out_by_hand():
    """A slab of 3 x 8 x 8 voxels of 3 x 1 x 1 mm and the same one slice higher."""
    slab = block((12, 8, 8), (2, 0, 0), (5, 8, 8))
    surfels = compare_surfels(slab, np.roll(slab, 1, axis=0), np.diag([3.0, 1, 1]))
    face, rim = 7 * 7, 28 * np.hypot(0.5, 1.5) + 4 * np.sqrt(1 + 9 + 9) / 8
    walls = 2 * (4 * 7 * 3 + 4 * 3 * np.sqrt(0.5))
    # Each has one face beyond the other, 3 mm away with its rim, and one within, at least 1 mm from the other's walls.
    apart = 2 * (face + rim) + 2 * face
    whole = 2 * (2 * (face + rim) + walls)
    assert normalized_surface_dice(surfels, 0.5) == pytest.approx(1 - apart / whole)
    assert normalized_surface_dice(surfels, 3.0) == 1
    assert np.isnan(normalized_surface_dice(surfels, None))


def test_a_distance_at_the_tolerance_counts_also_where_the_affine_is_rounded():
    slab = block((12, 4, 4), (2, 0, 0), (5, 4, 4))
    surfels = compare_surfels(slab, np.roll(slab, 1, axis=0), np.diag([3.0000002, 1, 1]))
    assert normalized_surface_dice(surfels, 3.0) == 1


def test_empty_masks():
    full, empty = ball(3, size=9), np.zeros((9, 9, 9), bool)
    for pair in ((full, empty), (empty, full)):
        surfels = compare_surfels(*pair, UNIT)
        assert normalized_surface_dice(surfels, 2.0) == 0 and np.isnan(average_distance_by_area(surfels))
    surfels = compare_surfels(empty, empty, UNIT)
    assert np.isnan([normalized_surface_dice(surfels, 2.0), average_distance_by_area(surfels)]).all()


LIBRARY = [
    ("balls", (1.0, 1.0, 1.0), 1.0, 0.398100341646478, 2.1432077959200306),
    ("balls", (4.0, 0.7, 1.3), 2.0, 0.48795859539563774, 2.6504493573777324),
    ("noise", (1.0, 1.0, 1.0), 1.0, 0.9983663039434248, 0.07589582312588378),
    ("noise", (4.0, 0.7, 1.3), 2.0, 0.9993008488054067, 0.06276058830588788),
    ("blobs", (1.0, 1.0, 1.0), 1.0, 0.6760471517372434, 0.9908932618027343),
    ("blobs", (4.0, 0.7, 1.3), 2.0, 0.777099005625882, 1.1879103786680079),
]
"""Masks, spacing and tolerance in mm; NSD and pooled ASD of DeepMind's `surface-distance` (PyPI
`surface-distance-based-measures` 0.1)."""


def masks_of(name):
    rng = np.random.default_rng(5)
    if name == "balls":
        return ball(9), np.roll(ball(7), (2, -3, 1), (0, 1, 2))
    if name == "noise":
        return tuple(rng.random((2, 12, 9, 11)) < 0.35)
    return tuple(random_labels(rng) == 2 for _ in range(2))


@pytest.mark.parametrize(("name", "spacing", "tolerance", "nsd", "asd"), LIBRARY)
def test_nsd_and_asd_equal_those_of_the_library(name, spacing, tolerance, nsd, asd):
    surfels = compare_surfels(*masks_of(name), np.diag(spacing))
    assert normalized_surface_dice(surfels, tolerance) == pytest.approx(nsd, abs=1e-12)
    assert average_distance_by_area(surfels) == pytest.approx(asd, abs=1e-12)
