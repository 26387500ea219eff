import numpy as np
import pandas as pd
import pytest

from dar_uda.evaluation.cells import PERCENT, SCORE, Cell, millions


def test_a_cell_writes_its_value_and_its_interval_alike():
    cell = Cell(0.31348, SCORE, (0.2, 0.41666))
    assert (cell.text, cell.limits) == ("0.313", ["0.200", "0.417"])
    assert Cell(-0.2949, PERCENT).text == "-29%" and Cell("dar_uda").text == "dar_uda"
    assert Cell(1_234_567, millions).text == "1.23 M"


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_a_cell_without_a_value_is_empty(nothing):
    cell = Cell(nothing, SCORE, (np.nan, np.nan))
    assert (cell.text, cell.limits) == ("", [])
