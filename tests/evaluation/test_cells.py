import numpy as np
import pandas as pd
import pytest

from dar_uda.evaluation.cells import PERCENT, SCORE, Cell, millions, ranking


@pytest.mark.parametrize(
    ("values", "highest_first", "expected"),
    [
        ([0.1, 0.3, 0.2, np.nan], True, {"b": 1, "c": 2}),
        ([3.0, 1.0, 1.0, 2.0], False, {"b": 1, "c": 1, "d": 2}),
        ([0.1, 0.2], True, {"b": 1}),
        ([0.2, np.nan], True, {}),
        ([0.5, 0.5, 0.5], True, {}),
        ([np.nan, np.nan], True, {}),
        ([], True, {}),
    ],
)
def test_the_two_best_of_three_and_the_best_of_two_are_ranked_and_equals_share(values, highest_first, expected):
    named = pd.Series(values, index=list("abcd")[: len(values)], dtype=float)
    assert ranking(named, highest_first=highest_first) == expected


def test_a_cell_writes_its_value_and_its_interval_alike():
    cell = Cell(0.31348, SCORE, (0.2, 0.41666))
    assert (cell.text, cell.limits) == ("0.313", ["0.200", "0.417"])
    assert Cell(-0.2949, PERCENT).text == "-29%" and Cell("dar_uda").text == "dar_uda"
    assert Cell(1_234_567, millions).text == "1.23 M"


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_a_cell_without_a_value_is_empty(nothing):
    cell = Cell(nothing, SCORE, (np.nan, np.nan))
    assert (cell.text, cell.limits) == ("", [])
