"""The body found in scans drawn by hand."""

import numpy as np
import pytest

from dar_uda.data.geometry import spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.volume import Volume
from dar_uda.preprocessing.body import body_extent
from dar_uda.preprocessing.intensity import to_unit_range
from dar_uda.preprocessing.network_grid import fitted_to_body, network_grid

UNIT = (0.0, 1.0)


def scan(shape=(12, 90, 120), center=(40, 60), radii=(20, 30), table=True):
    """Return (D, H, W): a dim ellipse with two bright organs, a thin table below, noise in the air."""
    depth, height, width = shape
    rows, columns = np.ogrid[:height, :width]
    rows, columns = rows - center[0], columns - center[1]
    plane = np.where((rows / radii[0]) ** 2 + (columns / radii[1]) ** 2 <= 1, 0.4, 0.0)
    plane[(rows**2 + (abs(columns) - 15) ** 2) <= 36] = 0.9
    if table:
        plane[80:82] = 0.5
    noise = np.random.default_rng(0).uniform(0, 0.05, size=shape)
    return (plane + noise).astype(np.float32)


TRIMMED_HALF = 0.959
"""Half a percent of a unit disc lies beyond u, where arccos(u) - u sqrt(1 - u^2) = 0.005 pi."""


def test_the_body_lies_where_it_was_drawn_but_for_half_a_percent_at_each_end():
    (top, bottom), (left, right) = body_extent(scan(), plane=(1, 2), levels=UNIT)
    height, width = 20.5 * TRIMMED_HALF, 30.5 * TRIMMED_HALF
    assert (top, bottom) == pytest.approx((40.5 - height, 40.5 + height), abs=1)  # of which the opening takes the tip
    assert (left, right) == pytest.approx((60.5 - width, 60.5 + width), abs=1)


def test_the_order_of_the_axes_does_not_matter():
    turned = np.transpose(scan(), (2, 0, 1))
    assert body_extent(turned, plane=(2, 0), levels=UNIT) == body_extent(scan(), plane=(1, 2), levels=UNIT)


def test_a_finely_sampled_scan_gives_the_same_body():
    fine = scan().repeat(3, axis=1).repeat(3, axis=2)
    for coarse, found in zip(
        body_extent(scan(), plane=(1, 2), levels=UNIT), body_extent(fine, plane=(1, 2), levels=UNIT), strict=True
    ):
        assert np.array(found) / 3 == pytest.approx(coarse, abs=0.5)


def test_the_body_is_that_of_the_scan_scaled_to_its_levels():
    """Also of a scan of which every second voxel is read."""
    hounsfield = (scan().repeat(3, axis=1).repeat(2, axis=2) * 400 - 100).astype(np.float32)
    unit = to_unit_range(hounsfield, window=(-20, 250))
    assert body_extent(hounsfield, (1, 2), levels=(-20, 250)) == body_extent(unit, (1, 2), UNIT)
    with pytest.raises(ValueError, match="Found no body"):  # the organs alone are brighter than 100
        body_extent(hounsfield, (1, 2), levels=(100, 250))


@pytest.mark.parametrize("where", ["anywhere", "in a line", "in the body", "in a corner"])
def test_a_thousandth_of_bad_voxels_does_not_move_the_grid(where):
    original = Grid((12, 90, 120), np.diag([4.0, 2.0, 2.0, 1.0]))
    network = network_grid(original, (3.0, 3.0, 4.0), 64)
    expected = fitted_to_body(network, Volume(scan(), original), UNIT, body_width=240)
    rng = np.random.default_rng(7)
    for _ in range(20):
        spoilt = scan()
        if where == "in a corner":
            spoilt[:3, :7, :6] = 1
        else:
            start = rng.integers(spoilt.size - 130)
            spoilt.ravel()[
                {
                    "anywhere": rng.choice(spoilt.size, 130, replace=False),
                    "in a line": np.arange(start, start + 130),
                    "in the body": rng.choice(np.flatnonzero(spoilt > 0.3), 130, replace=False),
                }[where]
            ] = rng.choice([0.0, 1.0])
        found = fitted_to_body(network, Volume(spoilt, original), UNIT, body_width=240)
        np.testing.assert_array_equal(found.affine, expected.affine)


def test_a_scan_without_a_body_is_refused():
    empty = np.zeros((8, 64, 64), np.float32)
    empty[4, 30:34, 30:34] = 1
    with pytest.raises(ValueError, match="Found no body.*body_width"):
        body_extent(empty, plane=(1, 2), levels=UNIT)


def test_the_grid_is_centered_on_the_body_and_scaled_to_its_width_in_sixtieths_of_body_width():
    # Axes of the array: slices, rows, columns; 61 columns of 2 mm but for half a percent at each end are 117 mm.
    affine = np.array([[0, 0, -2.0, 5], [0, -2.0, 0, 7], [4.0, 0, 0, 9], [0, 0, 0, 1]])
    original = Grid((12, 90, 120), affine)
    network = network_grid(original, (3.0, 3.0, 4.0), 64)
    fitted = fitted_to_body(network, Volume(scan(), original), UNIT, body_width=240)
    assert spacing_of(fitted.affine) == pytest.approx((3 * 116 / 240, 3 * 116 / 240, 4.0))
    # Row 40 and column 60 lie at 80 and 120 mm from the first.
    middle, body = fitted.affine @ [31.5, 31.5, 5.5, 1], affine @ [5.5, 40, 60, 1]
    assert middle == pytest.approx(body)
