"""Intervals of small tables worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from dar_uda.evaluation.intervals import (
    LOG,
    LOGIT,
    NONE,
    PLAIN,
    RANGE,
    T_CASES_ONLY,
    T,
    mean_interval,
    standard_error,
)

NAN = np.nan
FIVE = np.array([[0.5, 0.6, 0.7, 0.8, 0.9]])


def test_one_seed_has_the_t_interval_of_its_cases():
    # Variance 0.1 / 4 = 0.025, error sqrt(0.025 / 5) = 0.0707; t of 4 degrees is 2.776: 0.7 +- 0.196.
    low, high, kind = mean_interval(FIVE, PLAIN)
    assert ((low, high), kind) == (pytest.approx((0.504, 0.896), abs=1e-3), T_CASES_ONLY)
    expected = stats.ttest_1samp(FIVE[0], 0).confidence_interval()
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_dice_has_its_interval_on_the_scale_of_the_logit():
    # logit 0.7 = 0.8473, half width 0.1963 / (0.7 * 0.3) = 0.9349: from expit(-0.0876) to expit(1.7822).
    assert mean_interval(FIVE, LOGIT)[:2] == pytest.approx((0.478, 0.856), abs=1e-3)
    # log 0.7 = -0.3567, half width 0.1963 / 0.7 = 0.2805.
    assert mean_interval(FIVE, LOG)[:2] == pytest.approx((0.529, 0.927), abs=1e-3)


def test_the_error_of_several_seeds_is_that_of_the_two_way_analysis():
    """Cases 1 to 5, and the second seed 2 above the first, plus a rest of 1, -1, 0, 0, 0 in turn."""
    values = np.array([[1.0, 2, 3, 4, 5], [3.0, 4, 5, 6, 7]]) + np.array([[1.0, -1, 0, 0, 0], [-1.0, 1, 0, 0, 0]])
    # MS of cases 2 * 2.5 = 5, of seeds 5 * 2 = 10, of the rest 4 / 4 = 1, each on 4, 1 and 4 degrees.
    # Variance of the mean (5 + 10 - 1) / 10 = 1.4; degrees 14**2 / (5**2 / 4 + 10**2 / 1 + 1**2 / 4) = 196 / 106.5.
    error, degrees = standard_error(values)
    assert (error**2, degrees) == pytest.approx((1.4, 196 / 106.5))
    half = stats.t.ppf(0.975, 196 / 106.5) * 1.4**0.5
    assert mean_interval(values, PLAIN) == (pytest.approx(4 - half), pytest.approx(4 + half), T)


def test_seeds_that_differ_less_than_chance_count_as_equal():
    # Seed means are both 3: MS of seeds 0 is below that of the rest. Cases 1.5 to 4.5 have the variance 1.25.
    values = np.array([[1.0, 2, 3, 4, 5], [2.0, 2, 4, 4, 3]])
    error, degrees = standard_error(values)
    case_means = values.mean(axis=0)
    assert (error**2, degrees) == (pytest.approx(case_means.var(ddof=1) / 5), 4)


def test_the_degrees_are_at_least_those_of_the_smaller_factor():
    """Cases do not differ on average, and the second seed is 1 below the first, plus a rest of 1, -1, 1, -1, 1."""
    values = np.array([[1.5, -0.5, 1.5, -0.5, 1.5], [-1.5, 0.5, -1.5, 0.5, -1.5]])
    # MS of cases 0; seed means 0.7 and -0.7: MS of seeds 5 * 0.98 = 4.9; rest 2 * 4.8 / 4 = 2.4: variance 2.5 / 10.
    # Satterthwaite's degrees would be 2.5**2 / (4.9**2 / 1 + 2.4**2 / 4) = 0.25.
    assert standard_error(values) == pytest.approx((0.5, 1))


def test_a_missing_value_is_filled_by_case_and_seed_and_takes_a_degree_of_freedom():
    """Without a rest the value is known: the second seed is 2 above the first."""
    values = np.array([[1.0, 2, 3, 4, 5], [3.0, 4, 5, 6, 7]])
    missing = values.copy()
    missing[1, 4] = NAN
    assert standard_error(missing) == pytest.approx(standard_error(values))
    # The rest has three degrees instead of four; 1, -1 in two of the cases that are whole adds up to 4 as before.
    rest = np.array([[1.0, -1, 0, 0, 0], [-1.0, 1, 0, 0, 0]])
    # Variance (5 + 10 - 4 / 3) / 10.
    assert standard_error(missing + rest)[0] ** 2 == pytest.approx((15 - 4 / 3) / 10)


def test_the_mean_of_an_interval_is_over_what_is_there():
    values = np.array([[1.0, 2, 3, 4, 5], [3.0, 4, 5, 6, NAN]])
    low, high, _ = mean_interval(values, PLAIN)
    assert (low + high) / 2 == pytest.approx((2 + 3 + 4 + 5 + 5) / 5)


@pytest.mark.parametrize("cases", [2, 3, 4])
def test_few_cases_have_their_range(cases):
    values = np.array([[0.2, 0.5, 0.9, 0.6], [0.4, 0.5, 0.7, 0.6]])[:, :cases]
    highest = {2: 0.5, 3: 0.8, 4: 0.8}[cases]
    assert mean_interval(values, LOGIT) == (pytest.approx(0.3), pytest.approx(highest), RANGE)


def test_one_case_has_nothing():
    assert mean_interval(np.array([[0.5], [0.7]]), LOGIT) == NONE
    assert mean_interval(np.full((2, 3), NAN), LOGIT) == NONE


def test_seeds_that_share_too_few_cases_have_a_range():
    """Each case has one value: whether cases or seeds differ is not to be seen."""
    values = np.array([[1.0, 2, 3, NAN, NAN], [NAN, NAN, NAN, 4, 5]])
    assert mean_interval(values, LOG) == (1, 5, RANGE)


def test_cases_and_seeds_without_a_value_do_not_count():
    padded = np.vstack([np.insert(FIVE, 2, NAN, axis=1), np.full((1, 6), NAN)])
    assert mean_interval(padded, LOGIT) == mean_interval(FIVE, LOGIT)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_equal_values_have_their_range_for_they_say_nothing_of_an_error(value):
    """Before, five Dice of 0 had the 95 % interval [0, 0]."""
    assert mean_interval(np.full((3, 6), value), LOGIT) == (pytest.approx(value), pytest.approx(value), RANGE)
