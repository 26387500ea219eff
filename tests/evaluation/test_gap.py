import numpy as np
import pytest
from scipy import stats

from dar_uda.evaluation.gap import NONE, gap_closed

FLOOR = np.array([[0.2, 0.3, 0.4, 0.5, 0.6]])
CEILING = FLOOR + 0.4


def test_the_error_is_that_of_the_gain_where_the_gap_is_the_same_in_all_cases():
    # Gains 0.1 to 0.3 over a gap of 0.4: 0.25 to 0.75, mean 0.5; variance 0.15625 / 4, t of 4 degrees 2.776.
    method = FLOOR + [[0.1, 0.15, 0.2, 0.25, 0.3]]
    half = stats.t.ppf(0.975, 4) * (0.15625 / 4 / 5) ** 0.5
    assert gap_closed(method, FLOOR, CEILING) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_what_the_rows_share_cancels():
    """The method closes half of the gap in every case, however large that is, but for 0.01 in two of them."""
    ceiling = FLOOR + [[0.2, 0.3, 0.4, 0.3, 0.2]]
    method = (FLOOR + ceiling) / 2 + [[0.01, -0.01, 0.0, 0.0, 0.0]]
    # Gaps of 0.28 on average; the rest has the variance 0.0002 / 4.
    half = stats.t.ppf(0.975, 4) * (0.0002 / 4 / 5) ** 0.5 / 0.28
    assert gap_closed(method, FLOOR, ceiling) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_the_same_part_of_the_gap_in_every_case_leaves_no_error_to_estimate():
    assert gap_closed((FLOOR + CEILING) / 2, FLOOR, CEILING) == pytest.approx((0.5, np.nan, np.nan), nan_ok=True)


def test_seeds_widen_the_interval():
    """One training closes nothing, the other all."""
    method, floor, ceiling = np.vstack([FLOOR, CEILING]), np.vstack([FLOOR] * 2), np.vstack([CEILING] * 2)
    closed, low, high = gap_closed(method, floor, ceiling)
    half = stats.t.ppf(0.975, 1) * 0.5  # seed means 0 and 1, one degree of freedom
    assert (closed, low, high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_a_small_or_uncertain_gap_is_not_divided_by():
    assert gap_closed(FLOOR + 0.05, FLOOR, FLOOR + 0.1) == NONE
    # Gaps of -0.2 to 0.6 have the mean 0.2 and the interval -0.19 to 0.59.
    assert gap_closed(FLOOR, FLOOR, FLOOR + [[-0.2, 0.0, 0.2, 0.4, 0.6]]) == NONE
    assert gap_closed(FLOOR, FLOOR, FLOOR - 0.4) == NONE
    assert gap_closed(np.full((1, 5), np.nan), np.full((1, 5), np.nan), np.full((1, 5), np.nan)) == NONE


def test_few_cases_have_a_gap_without_an_interval_where_all_of_them_have_one():
    floor, ceiling = FLOOR[:, :3], FLOOR[:, :3] + [[0.2, 0.4, 0.6]]
    assert gap_closed(floor + 0.1, floor, ceiling) == pytest.approx((0.25, np.nan, np.nan), nan_ok=True)
    assert gap_closed(floor + 0.1, floor, floor + [[-0.1, 0.6, 0.6]]) == NONE


def test_cases_whose_reference_lacks_the_structure_do_not_count():
    method = FLOOR + [[0.1, 0.15, 0.2, 0.25, 0.3]]
    padded = [np.insert(values, 1, np.nan, axis=1) for values in (method, FLOOR, CEILING)]
    assert gap_closed(*padded) == pytest.approx(gap_closed(method, FLOOR, CEILING))
