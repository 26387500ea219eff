"""The table of docs/outputs.md on TTA inconsistency is that of the measured rows, by these definitions."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from docs.inconsistency import PAGE, found_of_worst, interval, lines, page, rank_correlation, read_rows, with_means
from docs.measure_inconsistency import CASES, scanner_of


def test_rank_correlation_is_that_of_scipy_with_equal_values_too():
    rng = np.random.default_rng(0)
    first, second = rng.integers(6, size=(2, 5, 36)).astype(float)
    expected = [spearmanr(*pair).statistic for pair in zip(first, second, strict=True)]
    assert rank_correlation(first, second) == pytest.approx(expected)


def test_the_interval_holds_the_correlation_of_a_population_that_has_it():
    rng, held, true = np.random.default_rng(2), 0, 6 / np.pi * np.arcsin(-0.25)  # Spearman's of a normal pair, r -0.5
    for _ in range(40):
        dice, changes = rng.multivariate_normal([0, 0], [[1, -0.5], [-0.5, 1]], 36).T
        low, high = interval(dice[None], changes[None])
        held += low <= true <= high
    assert held >= 36


def test_found_counts_the_worst_quarter_that_is_flagged():
    dice = np.array([0.1, 0.9, 0.2, 0.8, 0.7, 0.6, 0.5, 0.4])  # the worst two: the first and the third
    assert found_of_worst(dice, np.array([9.0, 8.0, 1.0, 0, 0, 0, 0, 0])) == 1
    assert found_of_worst(dice, -dice) == 2
    assert found_of_worst(dice, dice) == 0


def test_one_new_case_in_six_is_of_the_rare_scanner():
    scanners = [scanner_of(number) for number in range(CASES)]
    assert scanners.count("rare") == 6
    assert {scanners.count(name) for name in {*scanners} - {"rare"}} <= {7, 8}


def test_a_structure_that_no_mask_has_counts_as_1_and_not_in_the_mean_of_its_case():
    names = ["liver", "right_kidney", "left_kidney", "spleen"]
    rows = pd.DataFrame(
        {"structure": names, "dice": [0.8, 0.6, 0.6, 0.0], "tta_inconsistency": [0.1, 0.2, 0.3, np.nan]}
    )
    table = with_means(rows.assign(seed="0", method="dar_uda", case="new00", scanner="rare")).set_index("structure")
    assert table["tta_inconsistency"].to_dict() == pytest.approx(
        {"liver": 0.1, "right_kidney": 0.2, "left_kidney": 0.3, "spleen": 1, "mean of the case": 0.2}
    )
    assert table["dice"]["mean of the case"] == pytest.approx(0.5)


def test_the_page_has_the_table_of_the_rows():
    assert PAGE.read_text(encoding="utf-8") == page(read_rows()), "run `python -m docs.inconsistency`"


def test_the_sentences_above_the_table_are_those_of_the_rows():
    rows = read_rows()
    text, kidneys = PAGE.read_text(encoding="utf-8"), rows[rows["structure"] == "right_kidney"]
    bounds = re.findall(r"\| -\d\.\d\d \[-\d\.\d\d, (-?\d\.\d\d)\] \|", text)
    assert len(bounds) == 15 and max(map(float, bounds)) < 0
    common = next(line for line in lines(rows[rows["scanner"] != "rare"]) if "| dar_uda | mean of the case" in line)
    assert common.split("|")[4].strip() in text
    assert (
        "| dar_uda | mean of the case | 0.30 to 0.84 | -0.68 [-0.81, -0.48] | -0.70, -0.59, -0.75 | 15 of 27 |" in text
    )
    missed = kidneys[(kidneys["method"] == "dar_uda") & (kidneys["dice"] == 0)]
    assert f"Dice 0.00 at {missed['tta_inconsistency'].min():.2f}" in text
