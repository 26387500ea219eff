"""Fills drawn by hand, and flat regions that are none."""

import numpy as np
import pytest

from dar_uda.data.fill import find_fill

SHAPE = (6, 40, 40)
ROWS, COLUMNS = np.ogrid[-1:1:40j, -1:1:40j]
CORNERS = np.broadcast_to(ROWS**2 + COLUMNS**2 > 1.1, SHAPE)
BODY = np.broadcast_to((ROWS / 0.7) ** 2 + (COLUMNS / 0.8) ** 2 < 1, SHAPE)


def scan():
    """Return a body of 500 in air of 0 to 40, with noise."""
    rng = np.random.default_rng(0)
    return np.where(BODY, 500 + rng.normal(0, 30, SHAPE), rng.uniform(0, 40, SHAPE)).astype(np.float32)


@pytest.mark.parametrize("value", [-32768, -1, 200, 500, 900, 65535, 1e9])
@pytest.mark.parametrize("region", ["corners", "outside", "slices", "wedge"])
def test_a_constant_region_outside_the_patient_is_a_fill_whatever_its_value(value, region):
    where = {
        "corners": CORNERS,
        "outside": ~BODY,
        "slices": np.broadcast_to(np.arange(6)[:, None, None] < 2, SHAPE),
        "wedge": np.broadcast_to(ROWS + COLUMNS < -1.2, SHAPE),
    }[region]
    array = scan()
    array[where] = value
    fill = find_fill(array)
    np.testing.assert_array_equal(fill.mask, where)
    assert fill.values == {float(np.float32(value)): int(where.sum())}


def test_two_fills_one_within_the_other_are_both_found():
    array = scan()
    array[CORNERS] = -2000
    array[:, :2] = array[:, -2:] = array[:, :, :2] = array[:, :, -2:] = 3000
    assert set(find_fill(array).values) == {-2000.0, 3000.0}


@pytest.mark.parametrize(("outer", "inner"), [(65535, 32767), (-32768, -2000), (-32768, 65535)])
def test_two_fills_far_from_the_scan_and_from_each_other_are_both_found(outer, inner):
    array = scan()
    array[:, :, 36:] = outer
    array[[0, -1], 20:, 20:] = inner  # neither holds more than two corners of any slice
    fill = find_fill(array)
    assert fill.values == {inner: 2 * 20 * 20, outer: (4 * 20 + 6 * 20) * 4}
    np.testing.assert_array_equal(fill.mask, np.isin(array, [inner, outer]))


def test_a_fill_that_touches_bright_fat_all_along_is_found_in_both_its_parts():
    array = np.broadcast_to(np.linspace(100, 600, 40), SHAPE) + np.random.default_rng(5).normal(0, 30, SHAPE)
    array[:, 2:-2] += 400  # about as bright as the fill that it separates
    array[:, :4, :] = array[:, -4:, :] = 900
    assert find_fill(array).mask[array == 900].all()


def test_a_thousandth_of_saturated_voxels_at_a_face_is_no_fill():
    array = np.broadcast_to(np.random.default_rng(6).uniform(100, 800, (1, 60, 60)), (12, 60, 60)).copy()
    array += np.random.default_rng(7).normal(0, 30, array.shape)
    array = np.minimum(array, 900)
    array[0, :6, :6] = 900
    assert find_fill(array).values == {}


def test_a_scan_without_fill_has_none():
    assert find_fill(scan()).values == {}


def test_bright_anatomy_that_is_cut_off_is_no_fill_even_at_the_edge_of_the_scan_and_of_a_fill():
    array = scan()
    array[:, 15:25, 15:] = 700 + np.random.default_rng(1).normal(0, 100, (6, 10, 25))  # an arm, up to the edge
    array[CORNERS] = -1000
    array = np.minimum(array, 700)
    assert (array == 700).mean() > 0.05
    fill = find_fill(array)
    assert not fill.mask[array == 700].any() and set(fill.values) == {-1000.0}


def test_flat_tissue_of_an_image_without_noise_is_no_fill():
    array = np.where(BODY, 100, 20).astype(np.uint8)
    array[:, 15:25, 20:] = 60
    fill = find_fill(array)
    assert set(fill.values) <= {20.0} and not fill.mask[BODY].any()


def test_a_voxel_of_the_fills_value_in_the_patient_is_not_filled():
    array = np.rint(scan())
    array[:, 20, 20] = 500
    array[CORNERS] = 500
    np.testing.assert_array_equal(find_fill(array).mask, CORNERS)


@pytest.mark.parametrize("order", ["C", "F"])
def test_saturated_anatomy_is_no_fill_beside_bad_voxels_or_brighter_padding(order):
    rng = np.random.default_rng(3)
    row, column = np.ogrid[:64, :64]
    blob = np.exp(-((row - 30) ** 2 + (column - 60) ** 2) / 150) + 0.4 * np.exp(
        -((row - 32) ** 2 + (column - 20) ** 2) / 200
    )
    scan = 1500 * np.broadcast_to(blob, (10, 64, 64)) + np.abs(rng.normal(0, 40, (10, 64, 64)))
    scan = np.asarray(np.minimum(np.rint(scan), 1100), dtype=np.int16, order=order)
    plateau = scan == 1100
    assert plateau.sum() > 500
    scan[rng.random(scan.shape) < 0.001] = 3300
    assert not find_fill(scan).mask[plateau].any()
    padded = scan.copy(order="K")
    padding = np.broadcast_to(column < 8, scan.shape)
    padded[padding] = 1100
    fill = find_fill(padded)
    assert fill.mask[padding].mean() > 0.99
    assert not fill.mask[plateau & ~padding & (column > 16)].any()


def test_a_patient_of_one_value_that_reaches_most_faces_is_no_fill():
    array = np.full((24, 24, 6), 40.0, np.float32)
    array[:8] = -1000
    assert find_fill(array).values == {}


@pytest.mark.parametrize("top", [150, 220])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_saturated_anatomy_in_two_corners_is_no_fill_whatever_the_type(dtype, top):
    bright = 250 * (0.6 * COLUMNS + 0.4 * ROWS) + np.random.default_rng(8).normal(0, 20, SHAPE) + 30
    array = np.clip(np.rint(np.where(ROWS > -0.5, bright, 0)), 0, top).astype(dtype)
    assert (array == top).mean() > 0.02
    assert not find_fill(array).mask[array == top].any()


def test_saturated_anatomy_with_brighter_voxels_around_it_is_no_fill_beside_a_dark_plateau():
    right, left = (np.exp(-(ROWS**2 + (COLUMNS - side) ** 2) / 0.3) for side in (1, -1))
    smooth = np.clip(8 * np.rint((250 * (right - left) + 10 * ROWS) / 8), -120, 120)
    array = np.broadcast_to(smooth, SHAPE).copy()
    plateau, edge = array == 120, np.zeros(SHAPE, bool)
    for step in (1, 2):
        edge[:, :, :-step] |= plateau[:, :, step:] & ~plateau[:, :, :-step]
    array[edge] = np.random.default_rng(9).integers(130, 160, edge.sum())  # as splines overshoot
    assert not find_fill(array).mask[plateau].any()
