"""Paired differences between two folders of masks, against SciPy and Holm's correction by hand."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from dar_uda.evaluation.case_means import Cases
from dar_uda.evaluation.paired import COLUMNS, paired_differences, paired_tables
from dar_uda.evaluation.quantities import METRICS

FIRST = np.array([[0.9, 0.8, 0.85, 0.7, 0.95, 0.6], [0.5, 0.6, 0.7, 0.4, 0.65, 0.55]])
SECOND = np.array([[0.7, 0.75, 0.8, 0.72, 0.9, 0.4], [0.52, 0.5, 0.7, 0.45, 0.6, 0.5]])


def cases(**values):
    """Return cases of two structures under one seed; values have the shape (structures, cases)."""
    known = {name: np.asarray(array).T[None] for name, array in values.items()}
    shape = next(iter(known.values())).shape
    names = [f"p{index}" for index in range(shape[1])]
    empty = {name: np.full(shape, np.nan) for name in METRICS}
    return Cases(names, names, [0], empty | known, np.full(shape, "ok"), np.ones((2, *shape)))


@pytest.fixture
def rows():
    pair = ("one", cases(dice=FIRST, rvd=FIRST)), ("two", cases(dice=SECOND, rvd=SECOND))
    return paired_differences(*pair, ["liver", "spleen"])


def test_p_values_are_corrected_over_the_structures_of_a_metric_and_the_mean_is_one_test(rows):
    of_dice = rows[rows["metric"] == "dice"].set_index("structure")
    liver, spleen = (ttest_rel(*pair).pvalue for pair in zip(FIRST, SECOND, strict=True))
    mean = ttest_rel(FIRST.mean(axis=0), SECOND.mean(axis=0)).pvalue
    assert liver < spleen < 1
    assert of_dice["p"].to_dict() == pytest.approx({"liver": liver, "spleen": spleen, "mean": mean})
    expected = {"liver": 2 * liver, "spleen": max(2 * liver, spleen), "mean": mean}
    assert of_dice["p_holm"].to_dict() == pytest.approx(expected)


def test_a_row_holds_the_mean_difference_and_the_patients_who_are_better_and_worse(rows):
    of_dice = rows[rows["metric"] == "dice"].set_index("structure")
    assert of_dice["difference"].to_dict() == pytest.approx({"liver": 0.53 / 6, "spleen": 0.13 / 6, "mean": 0.055})
    assert of_dice[["n", "wins", "losses"]].loc["spleen"].tolist() == [6, 3, 2]
    assert list(rows.columns) == COLUMNS


def test_metrics_without_values_have_no_rows_and_signed_ones_no_better_and_worse(rows):
    assert list(rows["metric"].unique()) == ["dice", "rvd"]
    assert rows[rows["metric"] == "rvd"][["wins", "losses"]].isna().all(axis=None)
    table = list(paired_tables(rows))[1]
    assert table.title == "RVD: one minus two"
    assert [cell.text for cell in table.rows[0]][3:5] == ["", ""]


def test_a_structure_that_one_of_both_misses_does_not_make_its_mean_distance_better():
    """Before, the first's mean of the liver alone, 1 mm, was compared with the second's of both structures, 3 mm."""
    one, two = np.ones((2, 6)), np.array([[1.0] * 6, [5.0] * 6])
    one[1] = np.nan
    rows = paired_differences(("one", cases(asd=one)), ("two", cases(asd=two)), ["liver", "spleen"])
    assert rows.set_index("structure")["n"].to_dict() == {"liver": 6, "spleen": 0, "mean": 6}
    assert rows.set_index("structure").loc["mean", ["difference", "wins", "losses"]].tolist() == [0, 0, 0]
