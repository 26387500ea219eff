"""The tables of docs/confidence.md are those of the measured rows, and the shipped lines those of the phantom's."""

import pandas as pd
import pytest

from dar_uda.evaluation.confidence import LINES
from docs.confidence import PAGE, _compared, fitted_lines, found_of_worst, rewritten


def test_the_page_shows_the_measured_rows():
    page = PAGE.read_text(encoding="utf-8")
    assert rewritten(page) == page


def test_the_lines_to_expected_dice_are_those_of_the_phantom():
    fitted = fitted_lines()
    assert fitted.keys() == LINES.keys()
    for known, line in LINES.items():
        assert line == pytest.approx(fitted[known], abs=0.005)


def test_found_counts_the_worst_tenth_that_is_flagged_and_equal_dice_once():
    dice = pd.Series([0.1, 0.2, *[0.5] * 18])  # of 20 pairs the worst two
    signal = pd.Series([0.3, 0.9, 0.1, 0.2, *[0.8] * 16])  # the worst pair is third lowest
    assert found_of_worst(dice, signal) == (0, 2, pytest.approx(0.2))
    assert found_of_worst(dice, signal, share=2)[0] == 1
    assert found_of_worst(dice, dice)[0] == 2
    zeros = pd.Series([0.0] * 10 + [0.5] * 10)
    assert found_of_worst(zeros, zeros[::-1]) == (2, 2, pytest.approx(1.0)), "any two of ten equal ones"


def test_a_verdict_is_wrong_where_the_second_method_looks_better_and_is_worse():
    rows = [("r", "d", "0", method, case, dice, alone) for case in "abcde" for method, dice, alone in (
        ("source_only", 0.9, 0.1), ("dar_uda", 0.1, 0.9 + ord(case) / 1e4))]  # fmt: skip
    columns = ["run", "direction", "seed", "method", "case", "dice", "alone"]
    (compared,) = _compared(pd.DataFrame(rows, columns=columns))
    assert (compared["floor"], compared["outcome"]) == (True, "wrong") and compared["true"] == pytest.approx(-0.8)
