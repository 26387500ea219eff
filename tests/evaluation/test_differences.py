"""Differences of two methods, against scipy's paired t-test and values worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dar_uda.evaluation.case_means import read_cases
from dar_uda.evaluation.differences import (
    COLUMNS,
    as_good_as_the_best,
    compare,
    holm,
    p_value,
    read_differences,
    read_methods,
    write_differences,
)
from dar_uda.evaluation.quantities import METRICS
from dar_uda.evaluation.score import ABSENT, FALSE_NEGATIVE, OK
from tests.evaluation.metrics_files import entry, five_cases, write_metrics

FIRST, SECOND = (0.5, 0.6, 0.7, 0.8, 0.9), (0.4, 0.6, 0.65, 0.6, 0.85)


def read(path, *dices):
    return read_cases([{"seed": 0, "path": five_cases(path, *dices)}])


def test_one_seed_gives_the_paired_t_test(tmp_path):
    found = compare(read(tmp_path / "a.tsv", *FIRST), read(tmp_path / "b.tsv", *SECOND), METRICS["dice"])
    test = stats.ttest_rel(FIRST, SECOND)
    assert found.difference == pytest.approx(0.08) and found.p == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found.interval == "95% t, cases only"
    assert (found.n, found.wins, found.losses) == (5, 4, 0)


def test_a_smaller_distance_is_better_and_missing_values_leave_their_patient_out(tmp_path):
    rows = [(case, "liver", 0.5, asd, OK) for case, asd in zip("abcde", (1, 2, 3, 4, 5), strict=True)]
    other = [*((case, "liver", 0.5, 3.5, OK) for case in "abcd"), ("e", "liver", 0.0, None, FALSE_NEGATIVE)]
    methods = [read_cases([{"seed": 0, "path": write_metrics(tmp_path / "m.tsv", one)}]) for one in (rows, other)]
    found = compare(*methods, METRICS["asd"])
    assert (found.n, found.difference, found.wins, found.losses) == (4, -1.0, 3, 1)
    assert found.interval == "range" and np.isnan(found.p), "four patients are too few"


def test_the_same_values_added_up_in_another_order_are_no_wins(tmp_path):
    """Before, (0.1 + 0.2) + 0.3 was better than (0.3 + 0.2) + 0.1, by 5e-17 in every patient."""
    structures, dices = "xyz", (0.1, 0.2, 0.3)
    read = []
    for order in (dices, dices[::-1]):
        rows = [(case, one, dice, 1.0, OK) for case in "abcde" for one, dice in zip(structures, order, strict=True)]
        read.append(read_cases([{"seed": 0, "path": write_metrics(tmp_path / "m.tsv", rows)}]))
    found = compare(*read, METRICS["dice"])
    assert (found.wins, found.losses, found.p) == (0, 0, 1.0)


def test_seeds_that_differ_raise_the_p_value():
    """The cases agree on 0.08; with one training at 0 and one at 0.16 it may be chance (one degree of freedom)."""
    cases = np.array([0.06, 0.07, 0.08, 0.09, 0.1])
    assert p_value(cases[None]) < 0.001
    assert p_value(np.stack([cases - 0.08, cases + 0.08])) == pytest.approx(0.5, abs=0.02)


def test_without_spread_the_p_value_says_whether_there_is_a_difference():
    assert p_value(np.full((1, 5), 0.0)) == 1.0
    assert p_value(np.full((1, 5), 0.1)) == 0.0
    assert np.isnan(p_value(np.full((2, 4), 0.1)))
    assert np.isnan(p_value(np.full((1, 5), np.nan)))


def test_holm_multiplies_by_the_number_of_hypotheses_left():
    """As R: p.adjust(c(0.01, 0.04, 0.03), "holm")."""
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, np.nan, 0.9, 0.4])) == pytest.approx([1, np.nan, 1, 1], nan_ok=True)
    assert holm(np.array([])).size == 0


def test_the_correction_counts_the_rows():
    """A difference of p = 0.03 alone is none among five rows."""
    best = np.array([[0.7, 0.72, 0.74, 0.76, 0.78]])
    close = best - [0.01, 0.02, 0.05, 0.01, 0.04]
    assert 0.05 / 5 < stats.ttest_rel(best[0], close[0]).pvalue < 0.05
    methods = {"best": best, "close": close}
    assert as_good_as_the_best(methods, METRICS["dice"]) == {"best"}
    assert as_good_as_the_best(methods, METRICS["asd"]) == {"close"}, "of distances the smallest"
    methods |= {f"row{place}": close for place in range(4)}
    assert as_good_as_the_best(methods, METRICS["dice"]) == set(methods)


def test_the_best_needs_another_and_a_metric_that_ranks():
    methods = {"a": np.array([FIRST])}
    assert as_good_as_the_best(methods, METRICS["dice"]) == set()
    methods["b"] = np.array([SECOND])
    assert as_good_as_the_best(methods, METRICS["rvd"]) == set(), "its sign says in which way masks err"
    assert as_good_as_the_best(methods, METRICS["dice"]) == {"a", "b"}


def test_the_table_has_a_row_per_method_structure_and_metric_corrected_over_the_methods(tmp_path):
    files = {"dar_uda": FIRST, "a": SECOND, "b": tuple(np.array(FIRST) - (0.1, 0.1, 0.2, 0.1, 0.1))}
    metrics = [entry(name, five_cases(tmp_path / f"{name}.tsv", *dices)) for name, dices in files.items()]
    write_differences(metrics, ["liver"], "dar_uda", {"task": "t"}, tmp_path / "d.tsv")
    table = read_differences(tmp_path / "d.tsv")
    assert list(table.columns) == [*COLUMNS, "task"] and len(table) == 2 * 2 * len(METRICS)
    dice = table[(table["metric"] == "dice") & (table["structure"] == "mean")].set_index("method")
    assert list(dice.index) == ["a", "b"] and (dice["reference"] == "dar_uda").all()
    p = [stats.ttest_rel(files[name], FIRST).pvalue for name in ("a", "b")]
    assert list(dice["p"]) == pytest.approx(p, abs=1e-6)
    assert list(dice["p_holm"]) == pytest.approx([p[0], 2 * p[1]], abs=2e-6)
    nsd = table[table["metric"] == "nsd"]
    assert (nsd["n"] == 0).all() and nsd[["difference", "p", "p_holm"]].isna().all(axis=None)


def test_a_table_without_its_reference_row_or_with_other_seeds_of_it_has_no_differences(tmp_path):
    path = five_cases(tmp_path / "a.tsv", *FIRST)
    for reference in ([], [entry("dar_uda", path, seed=1)]):
        write_differences([entry("a", path), *reference], ["liver"], "dar_uda", {}, tmp_path / "d.tsv")
        assert read_differences(tmp_path / "d.tsv").empty


def test_methods_scored_on_other_references_are_refused(tmp_path):
    """Before, only the seeds of a method were compared."""
    first = write_metrics(tmp_path / "a.tsv", [("a", "liver", 0.5, 1.0, OK)])
    for rows, patients in (([("a", "liver", None, None, ABSENT)], {}), ([("a", "liver", 0.5, 1.0, OK)], {"a": "P"})):
        second = write_metrics(tmp_path / "b.tsv", rows, patients)
        with pytest.raises(ValueError, match=r"DAR-280: ct-to-mr: the methods x and y"):
            read_methods([entry("x", first), entry("y", second)], ["liver"])
    assert pd.isna(compare(*[read_cases([{"seed": 0, "path": second}])] * 2, METRICS["nsd"]).difference)
