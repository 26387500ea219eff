"""What a check says of values: siblings of reported files, with the padding that hid them."""

from pathlib import Path

import numpy as np
import pytest

from dar_uda.data.checks.finding import BELOW_WINDOW, FAR_VALUES, FILLED, NOT_IN_HU, SATURATED
from dar_uda.data.checks.image import problems_of_values

WINDOW = (-350, 350)
ROWS, COLUMNS = np.ogrid[-40:40, -40:40]
CORNERS = np.broadcast_to(ROWS**2 + COLUMNS**2 > 1600, (8, 80, 80))
PADDING = (None, -3024, -2000, -1024, 0, 63536)


def ct(noise=12.0, lungs=False):
    """Return HU of a body with fat, soft tissue and bone in air."""
    plane = np.full((80, 80), -1000.0)
    for radius, value in ((32, -100), (27, 45), (5, 400)):
        plane[radius**2 > ROWS**2 + COLUMNS**2] = value
    for side in (-14, 14) if lungs else ():
        plane[(ROWS / 14) ** 2 + ((COLUMNS - side) / 8) ** 2 < 1] = -840
    return np.rint(plane + np.random.default_rng(0).normal(0, noise, (8, 80, 80))).astype(np.float32)


def kinds(array, window=WINDOW, padding=None):
    array = array if padding is None else np.where(CORNERS, np.float32(padding), array)
    return {kind for kind, _ in problems_of_values(Path("scan.nii"), array, window)}


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize(
    "stored",
    [
        lambda hu: hu + 1000,
        lambda hu: hu + 1024,
        lambda hu: hu + 8192,
        lambda hu: hu / 10,
        lambda hu: hu / 2,
        lambda hu: hu * 10,
        lambda hu: (hu + 1024) / 4,
        lambda hu: np.clip((hu + 350) / 700 * 255, 0, 255),
        lambda hu: np.clip((hu + 350) / 700, 0, 1),
        lambda hu: np.where(hu < 0, hu + 65536, hu),
    ],
    ids=["+1000", "+1024", "+8192", "/10", "/2", "x10", "quarter", "0-255", "0-1", "wrapped"],
)
def test_values_that_are_not_hu_are_seen_through_padding(stored, padding):
    assert {NOT_IN_HU, BELOW_WINDOW} & kinds(stored(ct()), padding=padding)


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize("shift", [-1024, 1000, 1024, 8192])
def test_shifted_hu_of_lungs_are_seen_through_padding(shift, padding):
    assert {NOT_IN_HU, BELOW_WINDOW} & kinds(ct(noise=30, lungs=True) + shift, padding=padding)


@pytest.mark.parametrize("padding", [None, -3024, -2000, -1024])
@pytest.mark.parametrize("noise", [3, 12, 60])
@pytest.mark.parametrize("lungs", [False, True])
def test_a_ct_in_hu_has_no_finding_whatever_its_corners(noise, lungs, padding):
    assert kinds(ct(noise, lungs), padding=padding) == set()


@pytest.mark.parametrize("region", [(slice(22, 58), slice(20, 60)), (slice(30, 34), slice(48, 56))])
def test_a_ct_cut_off_close_to_the_organs_has_no_finding(region):
    assert kinds(ct(lungs=False)[:, *region]) == set()


@pytest.mark.parametrize("value", [0, 300, 3000, 63536])
def test_padding_that_would_look_like_tissue_is_a_finding(value):
    assert kinds(ct(), padding=value) == {FILLED}
    assert kinds(ct() + 1000, window=None, padding=value + 500) == {FILLED}


@pytest.mark.parametrize("value", [-32768, 1e9])
def test_one_voxel_far_beyond_the_others_is_a_finding_and_hides_nothing(value):
    for array, expected in ((ct(), {FAR_VALUES}), (ct() + 1024, {FAR_VALUES, NOT_IN_HU})):
        array[3, 40, 40] = value
        assert kinds(array) == expected


def test_an_image_without_window_whose_bright_end_is_cut_off_is_a_finding():
    brightness = ct() + 1000
    assert kinds(brightness, window=None) == set()
    assert kinds(np.minimum(brightness, 1050), window=None) == {SATURATED}
