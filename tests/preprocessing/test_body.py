"""The body found in scans drawn by hand."""

import numpy as np
import pytest

from dar_uda.data.geometry import spacing_of
from dar_uda.data.grid import Grid
from dar_uda.preprocessing.body import body_extent
from dar_uda.preprocessing.preprocess import fitted_to_body, network_grid


def scan(shape=(12, 90, 120), centre=(40, 60), radii=(20, 30), table=True):
    """Return (D, H, W): a dim ellipse with two bright organs, a thin table below, noise in the air."""
    depth, height, width = shape
    rows, columns = np.ogrid[:height, :width]
    rows, columns = rows - centre[0], columns - centre[1]
    plane = np.where((rows / radii[0]) ** 2 + (columns / radii[1]) ** 2 <= 1, 0.4, 0.0)
    plane[(rows**2 + (abs(columns) - 15) ** 2) <= 36] = 0.9
    if table:
        plane[80:82] = 0.5
    noise = np.random.default_rng(0).uniform(0, 0.05, size=shape)
    return (plane + noise).astype(np.float32)


def test_the_body_lies_where_it_was_drawn():
    (top, bottom), (left, right) = body_extent(scan(), plane=(1, 2))
    assert (top, bottom) == pytest.approx((20, 61), abs=2.5)
    assert (left, right) == pytest.approx((30, 91), abs=2.5)


def test_the_order_of_the_axes_does_not_matter():
    turned = np.transpose(scan(), (2, 0, 1))
    assert body_extent(turned, plane=(2, 0)) == body_extent(scan(), plane=(1, 2))


def test_a_finely_sampled_scan_gives_the_same_body():
    fine = scan().repeat(3, axis=1).repeat(3, axis=2)
    for coarse, found in zip(body_extent(scan(), plane=(1, 2)), body_extent(fine, plane=(1, 2)), strict=True):
        assert np.array(found) / 3 == pytest.approx(coarse, abs=2)


def test_a_scan_without_a_body_is_refused():
    empty = np.zeros((8, 64, 64), np.float32)
    empty[4, 30:34, 30:34] = 1
    with pytest.raises(ValueError, match="Found no body.*body_width"):
        body_extent(empty, plane=(1, 2))


def test_the_grid_is_centred_on_the_body_and_scaled_to_its_width():
    # Axes of the array: slices, rows, columns; 61 columns of 2 mm are a body of 122 mm.
    affine = np.array([[0, 0, -2.0, 5], [0, -2.0, 0, 7], [4.0, 0, 0, 9], [0, 0, 0, 1]])
    original = Grid((12, 90, 120), affine)
    network = network_grid(original, (3.0, 3.0, 4.0), 64)
    fitted = fitted_to_body(network, original, scan(), body_width=244)
    assert spacing_of(fitted.affine) == pytest.approx((1.5, 1.5, 4.0), rel=0.05)
    middle = fitted.affine @ [31.5, 31.5, 5.5, 1]
    body = affine @ [5.5, 40, 60, 1]
    assert middle[:3] == pytest.approx(body[:3], abs=3)
