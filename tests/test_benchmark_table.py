"""The table of `make benchmark`: ratios and goals worked out by hand."""

import pandas as pd

from benchmarks.__main__ import write
from benchmarks.measure import Row

ROWS = [
    Row("step", "s", 4.0, 1.0, 0.30, "n 5"),
    Row("loop", "s", 2.0, 3.0, 1.0),
    Row("peak", "MiB", None, 1500.0, 1024),
    Row("on a GPU", "s", None, None, 0.35, "needs a GPU"),
]


def test_a_row_meets_its_goal_by_its_ratio_or_without_a_literal_form_by_its_value(tmp_path):
    write(ROWS, tmp_path, "a machine")
    table = pd.read_csv(tmp_path / "benchmark.tsv", sep="\t")
    assert list(table.columns) == ["what", "unit", "literal", "ours", "ratio", "goal", "met", "note"]
    assert table["met"].tolist() == ["yes", "no", "no", "not measured"]
    assert table["ratio"].tolist()[:2] == [0.25, 1.5]
    assert table["ratio"].isna().tolist() == [False, False, True, True]


def test_the_markdown_table_stands_below_the_machine(tmp_path):
    text = write(ROWS, tmp_path, "a machine")
    assert (tmp_path / "benchmark.md").read_text(encoding="utf-8") == text
    lines = text.splitlines()
    assert lines[:2] == ["a machine", ""]
    assert lines[4] == "| step | s | 4 | 1 | 0.25 | 0.3 | yes | n 5 |"
    assert lines[6] == "| peak | MiB |  | 1500 |  | 1024 | no |  |"
