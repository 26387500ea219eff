"""The pages of results: made from the kept runs; of earlier versions, every number follows from the page's own rows."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from docs import results
from docs.runs import RUNS, KeptRun

TEXT = (Path(__file__).parents[1] / "docs" / "results" / "history.md").read_text(encoding="utf-8")
TABLES = re.findall(r"(?:^\|.*\n)+", TEXT, re.M)
MEAN = "mean Dice"
ROUNDED = 0.0011
"""What two numbers with three digits may differ by."""


def rows_of(table):
    """Return the rows of a table as dictionaries; an empty direction is that of the row above."""
    head, _, *lines = (
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.strip().split("\n")
    )
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    for above, row in zip(rows, rows[1:], strict=False):
        if row.get("direction") == "":
            row["direction"] = above["direction"]
    return rows


def numbers(cell):
    return np.array([float(number) for number in cell.split(",")])


def with_columns(*columns):
    tables = [rows_of(table) for table in TABLES]
    return [rows for rows in tables if {*columns} <= {*rows[0]}]


SCORES = with_columns("method", "by seed")
DIFFERENCES = with_columns("dar_uda minus", "by seed")


def seeds_of(scores, method, direction):
    return next(
        numbers(row["by seed"]) for row in scores if row["method"] == method and row.get("direction") == direction
    )


def t_interval(values):
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return values.mean() - half, values.mean() + half


def holm(p):
    """Return p-values adjusted by Holm, by definition: the k-th smallest times the number not yet rejected."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1)[np.argsort(order)]


def test_holm_is_that_of_an_example_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


def test_means_are_those_of_the_seeds():
    rows = [row for rows in SCORES for row in rows]
    assert len(rows) == 23
    assert [row for row in rows if abs(numbers(row["by seed"]).mean() - float(row[MEAN])) > ROUNDED] == []


def test_differences_are_paired_by_seed_with_t_intervals_and_holm():
    assert len(SCORES) == len(DIFFERENCES) == 3
    for scores, differences in zip(SCORES, DIFFERENCES, strict=True):
        for direction in {row.get("direction") for row in differences}:
            rows = [row for row in differences if row.get("direction") == direction]
            own = seeds_of(scores, "dar_uda", direction)
            values = [own - seeds_of(scores, row["dar_uda minus"], direction) for row in rows]
            p = holm(np.array([stats.ttest_1samp(value, 0).pvalue for value in values]))
            for row, value, adjusted in zip(rows, values, p, strict=True):
                assert numbers(row["by seed"]) == pytest.approx(value, abs=1e-9)
                assert float(row["mean"]) == pytest.approx(value.mean(), abs=0.00051)
                assert numbers(row["95 % t, seeds only"].strip("[]")) == pytest.approx(t_interval(value), abs=0.00051)
                assert float(row["p (Holm)"]) == pytest.approx(adjusted, abs=0.00051)


def test_the_difference_over_cases_is_that_of_its_rows():
    own, other, difference = with_columns("mr08", "mean")[0]
    cases = [f"mr{number:02d}" for number in range(8, 14)]
    value = np.array([float(own[case]) - float(other[case]) for case in cases])
    assert [float(difference[case]) for case in cases] == pytest.approx(value)
    assert float(difference["mean"]) == pytest.approx(value.mean(), abs=0.00051)
    assert numbers(difference["95 % t, cases only"].strip("[]")) == pytest.approx(t_interval(value), abs=0.00051)
    assert float(difference["p"]) == pytest.approx(stats.ttest_1samp(value, 0).pvalue, abs=0.00051)


def test_a_gap_is_there_where_the_ceiling_is_above_the_floor_under_other_seeds_too():
    for scores in SCORES[1:]:
        for direction in {row["direction"] for row in scores}:
            rows = [row for row in scores if row["direction"] == direction]
            floor, ceiling = (seeds_of(scores, method, direction) for method in ("source_only", "supervised"))
            clear = t_interval(ceiling - floor)[0] > 0.1
            shown = [row for row in rows if row["gap closed"]]
            assert [row for row in rows if len(numbers(row["by seed"])) == 3 and clear] == shown
            for row in shown:
                gap = (numbers(row["by seed"]).mean() - floor.mean()) / (ceiling - floor).mean()
                assert float(row["gap closed"].rstrip(" %")) == pytest.approx(100 * gap, abs=0.7)


FLAT = ("synseg_net", "ada_output", "ada_output_multilevel", "cyclegan_2d", "supervised_2d")


@pytest.mark.parametrize(("prefix", "tables"), [("", 2), ("ct-to-mr: ", 1), ("mr-to-ct: ", 1)])
def test_above_floor_is_the_difference_to_the_floor_of_the_same_dimension(prefix, tables):
    found = with_columns("method", prefix + MEAN, prefix + "above floor")
    assert len(found) == tables
    for rows in found:
        dice = {(row.get("direction"), row["method"]): float(row[prefix + MEAN]) for row in rows}
        for (direction, method), value in dice.items():
            floor = "source_only_2d" if method in FLAT else "source_only"
            shown = {row["method"]: row[prefix + "above floor"] for row in rows if row.get("direction") == direction}
            expected = "" if method.startswith("source_only") else f"{value - dice[direction, floor]:.3f}"
            assert shown[method] == expected, (direction, method)


def test_no_interval_of_before_and_no_negative_gap_is_left():
    claims = TEXT.partition("## Claims that fell")[0]
    scores = [table for table in TABLES if "95 % t" not in table and table in claims]
    assert len(scores) > 10
    assert [line for table in scores for line in table.split("\n") if re.search(r"\d \[-?\d", line)] == []
    assert re.findall(r"-\d+ ?%", claims) == []


def test_the_pages_are_made_from_the_kept_runs():
    for path, text in results.pages().items():
        assert path.read_text(encoding="utf-8") == text, "python -m docs.results"


def test_every_kept_run_is_on_a_page():
    named = {run["name"] for page in results.TEXTS["pages"] for run in page["runs"]}
    assert named == {path.name for path in RUNS.iterdir()}


def mean_over_patients(scores):
    """Return the mean Dice of a method's rows: over structures, then seeds, then cases, then patients."""
    scores = scores[~scores["status"].isin(["absent", "false_alarm"])].assign(dice=scores["dice"].astype(float))
    keys = ["patient", "case", "seed"]
    while keys:
        scores = scores.groupby(keys, as_index=False)["dice"].mean()
        keys.pop()
    return scores["dice"].mean()


def test_the_headline_has_the_mean_over_patients_of_the_mean_over_structures():
    lines = results.HEAD.read_text(encoding="utf-8").splitlines()
    for page in results.TEXTS["pages"]:
        for entry in page["runs"]:
            scores = KeptRun.read(entry["name"]).scores
            for direction, rows in scores.groupby("direction"):
                name = f"[{entry['title']}](results/{page['file']}.md), {direction} "
                if "dar_uda" not in set(rows["method"]):
                    assert not any(name in line for line in lines)
                    continue
                shown = [cell.strip() for cell in next(line for line in lines if name in line).split("|")[4:8]]
                methods = dict(iter(rows.groupby("method")))
                assert shown == [
                    f"{mean_over_patients(methods[method]):.3f}" if method in methods else "-"
                    for method in results.HEADLINE
                ]
