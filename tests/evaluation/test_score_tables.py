"""Which cells the tables of a direction show, and which of them are marked."""

import pandas as pd
import pytest

from dar_uda.evaluation.differences import read_differences, write_differences
from dar_uda.evaluation.score import ABSENT, FAILURE, FALSE_ALARM, FALSE_NEGATIVE, OK
from dar_uda.evaluation.score_tables import (
    detection_table,
    difference_table,
    gain_remarks,
    means_table,
    method_table,
    milliliters,
    seed_table,
    structure_table,
)
from dar_uda.evaluation.summary import read_summary, write_summary
from tests.evaluation.metrics_files import entry, five_cases, write_metrics

DICES = {
    "source_only": (0.1, 0.2, 0.2, 0.3, 0.2),
    "dar_uda": (0.6, 0.7, 0.7, 0.8, 0.7),
    "average_style": (0.6, 0.7, 0.6, 0.9, 0.6),
    "supervised": (0.8, 0.9, 0.9, 0.8, 0.9),
}
"""Means 0.2, 0.7, 0.68, 0.86. The second less the third is 0, 0, 0.1, -0.1, 0.1; all others differ beyond chance."""


@pytest.fixture
def tables(tmp_path):
    """Write metrics of these files by method, one or one per seed; return their summary and differences as read."""

    def write(structures=("liver",), unavailable=(), **files):
        metrics = [
            entry(method, path, seed)
            for method, paths in files.items()
            for seed, path in enumerate(paths if isinstance(paths, list) else [paths])
        ]
        summary, differences = tmp_path / "summary.tsv", tmp_path / "differences.tsv"
        write_summary(metrics, unavailable, list(structures), {}, ["supervised"], {}, summary)
        write_differences(metrics, list(structures), "dar_uda", {}, differences)
        return read_summary(summary), read_differences(differences)

    return write


@pytest.fixture
def four(tmp_path, tables):
    return tables(**{name: five_cases(tmp_path / f"{name}.tsv", *dices) for name, dices in DICES.items()})


def texts(table):
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def marked(table):
    return [row[0].text for row in table.rows if any(cell.is_best for cell in row)]


def test_means_are_in_the_order_of_the_metrics_and_the_first_has_its_interval(four):
    table = means_table(four[0], ["dice", "asd"], "T")
    assert table.header == ["method", "n", "seeds", "mean Dice [95% t, cases only]", "ASD mm", "gap closed"]
    assert texts(table)["dar_uda"] == ["5", "1", "0.700", "1.00", "76%"]  # (0.7 - 0.2) / (0.86 - 0.2)
    dice, asd = table.rows[1][3:5]
    assert len(dice.limits) == 2 and dice.note == ""
    assert asd.limits == [] and asd.note == "5 of 5"
    other = means_table(four[0], ["asd", "dice"], "T")
    assert other.header[3:5] == ["mean ASD mm [range]", "Dice"], "the same ASD in all cases has no error to estimate"
    assert other.rows[1][3].limits == ["1.00", "1.00"] and other.rows[1][4].limits == []


def test_all_that_do_not_differ_from_the_best_are_marked_but_for_the_ceilings(four):
    """Before, .799 was bold and .798 beside it was not."""
    assert marked(structure_table(four[0], "dice", "T")) == ["dar_uda", "average_style"]


def test_fewer_than_five_patients_mark_nothing(tmp_path, tables):
    rows = {"a": {"P": 0.2, "Q": 0.3}, "dar_uda": {"P": 0.7, "Q": 0.9}}
    files = {
        name: write_metrics(tmp_path / f"{name}.tsv", [(case, "liver", dice, 1.0, OK) for case, dice in dices.items()])
        for name, dices in rows.items()
    }
    summary, differences = tables(**files)
    table = means_table(summary, ["dice"], "T")
    assert marked(table) == []
    assert table.header[3] == "mean Dice [range]" and table.rows[1][3].limits == ["0.700", "0.900"]
    (row,) = difference_table(differences, "dice", "").rows
    assert [cell.text for cell in row] == ["a", "2", "-0.550", "0", "2", ""], "differences without a p-value"


def test_patients_are_counted_where_they_are_fewer_than_the_cases(tmp_path, tables):
    rows = [(case, "liver", 0.5, 1.0, OK) for case in "abc"]
    summary, _ = tables(dar_uda=write_metrics(tmp_path / "m.tsv", rows, patients={"a": "P", "b": "P"}))
    table = means_table(summary, ["dice"], "T")
    assert table.header[:4] == ["method", "n", "patients", "seeds"]
    assert texts(table)["dar_uda"][:3] == ["3", "2", "1"]


def test_detection_says_k_of_n_and_volumes_stand_beside_those_of_the_references(tmp_path, tables):
    rows = [
        *(("a", "liver", 0.05, 9.0, FAILURE), ("b", "liver", 0.0, None, FALSE_NEGATIVE), ("c", "liver", 0.8, 1.0, OK)),
        *(("a", "spleen", 0, None, FALSE_ALARM), ("b", "spleen", None, None, ABSENT), ("c", "spleen", 0.5, 1.0, OK)),
    ]
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    summary, _ = tables(["liver", "spleen"], unavailable, dar_uda=write_metrics(tmp_path / "m.tsv", rows))
    table = detection_table(summary, "T")
    assert table.header[1:] == ["false negatives", "Dice < 0.1", "false alarms", "liver ml", "spleen ml"]
    assert texts(table) == {
        "reference": ["", "", "", "1.00", "1.00"],
        "dar_uda": ["1 of 4", "2 of 4", "1 of 2", "0.667", "1.00"],
    }
    assert [cell.note for cell in structure_table(summary, "asd", "T").rows[0]] == ["", "2 of 3", "1 of 1"]


def test_differences_are_to_the_reference_row_with_wins_and_a_corrected_p_value(four):
    table = difference_table(four[1], "dice", "ct-to-mr, ")
    assert table.title == "ct-to-mr, Dice minus that of dar_uda"
    rows = texts(table)
    assert list(rows) == ["source_only", "average_style", "supervised"]
    assert rows["average_style"][:4] == ["5", "-0.020", "1", "2"]
    # -0.02 with the standard deviation 0.0837: t = 0.535 of 4 degrees.
    assert rows["average_style"][4] == "0.6213"
    assert rows["source_only"][:4] == ["5", "-0.500", "0", "5"] and rows["source_only"][4] == "< 0.0001"


def test_every_row_has_its_mean_under_each_seed(tmp_path, tables):
    seeds = [five_cases(tmp_path / f"{dice}.tsv", dice) for dice in (0.4, 0.6123)]
    table = seed_table(tables(dar_uda=seeds)[0], "dice", "T")
    assert table.header == ["method", "liver", "mean"]
    assert texts(table) == {"dar_uda": ["0.400 0.612", "0.400 0.612"]}


def test_a_seed_that_finds_nothing_has_a_dash_and_intervals_of_another_kind_are_named(tmp_path, tables):
    """Before, the seed had `nan`, and the interval of all others was headed by `cases only`."""
    found = [(case, "liver", 0.5, asd, OK) for case, asd in zip("abcde", (1, 2, 3, 4, 5), strict=True)]
    nothing = [(case, "liver", 0.0, None, FALSE_NEGATIVE) for case in "abcde"]
    seeds = [write_metrics(tmp_path / f"{seed}.tsv", rows) for seed, rows in enumerate((found, nothing))]
    other = write_metrics(tmp_path / "other.tsv", [(*row[:3], row[3] ** 2, OK) for row in found])
    summary, differences = tables(dar_uda=seeds, other=[seeds[0], other], third=[other, seeds[0]])
    assert texts(seed_table(summary, "asd", "T"))["dar_uda"] == ["3.00 -", "3.00 -"]
    table = means_table(summary, ["asd"], "T")
    assert table.header[3] == "mean ASD mm [95% t, cases only]"
    assert [row[3].note for row in table.rows] == ["5 of 10", "95% t, 10 of 10", "95% t, 10 of 10"]


def test_one_method_has_all_its_numbers_by_structure(tmp_path, tables):
    summary, _ = tables(dar_uda=five_cases(tmp_path / "m.tsv", *DICES["dar_uda"]))
    table = method_table(summary, "T")
    assert table.header[:3] == ["structure", "n", "Dice [95% t, cases only]"] and "NSD" not in " ".join(table.header)
    assert table.header[-5:] == ["false negatives", "Dice < 0.1", "false alarms", "reference ml", "predicted ml"]
    assert list(texts(table)) == ["liver", "mean"]


def test_a_method_without_a_gap_has_its_gain_in_dice():
    columns = {"method": ["floor", "dar_uda", "supervised", "other"], "above_floor": [0.0, 0.01, 0.02, 0.3]}
    summary = pd.DataFrame({**columns, "structure": "mean", "gap_closed": [None, None, None, 0.5]})
    (remark,) = gain_remarks(summary, ["supervised"])
    assert remark.startswith("`dar_uda`: +0.010 mean Dice compared with its floor; no gap closed")


def test_a_method_that_cannot_be_run_has_empty_cells(tmp_path, tables):
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    summary, _ = tables(unavailable=unavailable, dar_uda=five_cases(tmp_path / "m.tsv", 0.5))
    assert texts(means_table(summary, ["dice", "asd"], "T"))["supervised"] == ["0", "0", "", "", ""]


def test_volumes_have_about_three_digits():
    assert list(map(milliliters, (1547.2, 99.96, 61.09, 1.234, 0.0831))) == ["1547", "100.0", "61.1", "1.23", "0.083"]
