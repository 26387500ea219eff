"""Contours to pixels, on shapes worked out by hand and against matplotlib's own test of points."""

import numpy as np
import pytest
from matplotlib.path import Path

from dar_uda.data.dicom.polygons import inside


def drawn(*contours, shape=(7, 8)):
    return inside([np.array(contour, dtype=float) for contour in contours], shape)


def box(low, high):
    return [(low, low), (low, high), (high, high), (high, low)]


def test_centers_on_the_lower_edges_are_inside_and_on_the_upper_ones_outside():
    expected = np.zeros((7, 8), bool)
    expected[1:4, 1:4] = True
    np.testing.assert_array_equal(drawn(box(1, 4)), expected)
    np.testing.assert_array_equal(drawn(box(0.5, 3.5)), expected)
    np.testing.assert_array_equal(drawn(box(1, 4)[::-1]), expected)


def test_contours_that_share_an_edge_share_no_pixel_and_leave_none_out():
    left, right = [(0, 0), (6, 0), (6, 3)], [(0, 0), (6, 3), (6, 6), (0, 6)]
    apart = drawn(left).astype(int) + drawn(right)
    np.testing.assert_array_equal(apart, drawn(box(0, 6)))


def test_a_contour_within_another_is_a_hole_and_one_within_that_is_an_island():
    found = drawn(box(0, 7), box(1, 6), box(3, 4))
    expected = np.zeros((7, 8), bool)
    expected[:7, :7] = True
    expected[1:6, 1:6] = False
    expected[3, 3] = True
    np.testing.assert_array_equal(found, expected)


def test_a_keyhole_is_the_ring_that_two_contours_make():
    """From the outer contour along a channel of no width to the inner one, around it and back."""
    outer, inner = [(0, 0), (0, 6), (6, 6), (6, 0)], [(2, 2), (4, 2), (4, 4), (2, 4)]
    keyhole = [*outer, (0, 0), *inner, (2, 2)]
    assert drawn(outer, inner).sum() == 6 * 6 - 2 * 2
    np.testing.assert_array_equal(drawn(keyhole), drawn(outer, inner))


def test_several_contours_of_a_slice_are_all_drawn():
    found = drawn(box(0, 2), box(4, 6))
    assert found.sum() == 8 and found[:2, :2].all() and found[4:6, 4:6].all()


def test_what_lies_beyond_the_picture_is_cut_off():
    assert drawn(box(-100, 100)).all()
    expected = np.zeros((7, 8), bool)
    expected[:, 6:] = True
    np.testing.assert_array_equal(drawn([(-1e9, 6), (-1e9, 1e9), (1e9, 1e9), (1e9, 6)]), expected)
    assert not drawn(box(50, 60), box(-60, -50)).any()


@pytest.mark.parametrize("contour", [[(1, 1)], [(1, 1), (5, 5)], [(2, 2)] * 5])
def test_a_point_and_a_line_hold_nothing(contour):
    assert not drawn(contour).any()


def test_random_polygons_hold_the_centers_that_matplotlib_finds_in_them():
    rng = np.random.default_rng(0)
    centers = np.argwhere(np.ones((40, 50)))
    for _ in range(20):
        contour = rng.uniform(-5, 50, (rng.integers(3, 30), 2))
        expected = Path(np.vstack([contour, contour[:1]]), closed=True).contains_points(centers).reshape(40, 50)
        np.testing.assert_array_equal(drawn(contour, shape=(40, 50)), expected)


def test_long_contours_are_counted_in_parts(monkeypatch):
    turns = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    circle = 10 + 8 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    whole = inside([circle], (20, 20))
    monkeypatch.setattr("dar_uda.data.dicom.polygons.EDGES", 7)
    np.testing.assert_array_equal(inside([circle], (20, 20)), whole)
    assert abs(whole.sum() - np.pi * 64) < 8
