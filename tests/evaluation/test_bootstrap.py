import numpy as np
import pytest

from dar_uda.evaluation.bootstrap import bootstrap_interval


def test_the_interval_of_two_values_reaches_from_one_to_the_other():
    # Means of two draws: 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4; 2.5 % and 97.5 % lie on the ends.
    assert bootstrap_interval(np.array([[[0.0], [1.0]]])) == (0.0, 1.0)


def test_the_interval_follows_the_normal_approximation():
    values = np.random.default_rng(1).normal(0.7, 0.1, size=(1, 200, 1))
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(values.size)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.2 * half)


def test_the_interval_draws_all_structures_of_a_case_together():
    # Structures that always cancel out: drawn together, every resample has the mean 1/2.
    values = np.array([[[0.0, 1.0], [1.0, 0.0], [0.2, 0.8]]])
    assert bootstrap_interval(values) == pytest.approx((0.5, 0.5))


def test_cases_and_structures_without_a_value_do_not_change_the_interval():
    values = np.array([[[0.1], [0.5], [0.9]]])
    padded = np.array([[[0.1, np.nan], [0.5, np.nan], [np.nan, np.nan], [0.9, np.nan]]])
    assert bootstrap_interval(padded) == bootstrap_interval(values)


def test_seeds_are_drawn_too():
    # Every case has Dice 0 under one seed and 1 under the other: drawn 00, 01, 10, 11 with equal probabilities.
    values = np.stack([np.zeros((5, 1)), np.ones((5, 1))])
    assert bootstrap_interval(values) == (0.0, 1.0)


def test_a_case_without_a_value_under_one_seed_counts_with_its_others():
    values = np.array([[[0.4], [0.4]], [[np.nan], [0.4]]])
    assert bootstrap_interval(values) == pytest.approx((0.4, 0.4))
