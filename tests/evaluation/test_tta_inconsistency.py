from dar_uda.evaluation.tta_inconsistency import (
    read_tta_inconsistency,
    tabulate_tta_inconsistency,
    tta_inconsistency_table,
)
from tests.evaluation.metrics_files import CHOICES, tta_inconsistency

FIRST = [("a", "liver", 0.1), ("a", "spleen", 0.4), ("b", "liver", 0.3), ("b", "spleen", None)]
SECOND = [("a", "liver", 0.2), ("a", "spleen", 0.6), ("b", "liver", 0.0), ("b", "spleen", None)]


def test_the_table_to_compute_with_has_means_over_the_seeds(tmp_path):
    seeds = [
        tta_inconsistency("dar_uda", tmp_path / f"{seed}.tsv", rows, seed) for seed, rows in enumerate((FIRST, SECOND))
    ]
    tabulate_tta_inconsistency(seeds, CHOICES, tmp_path / "tta_inconsistency.tsv")
    header, *rows = (tmp_path / "tta_inconsistency.tsv").read_text().splitlines()
    assert header.split("\t") == [
        "direction",
        "method",
        "case",
        "structure",
        "tta_inconsistency",
        "protocol",
        "model_selection",
    ]
    assert [row.split("\t")[2:5] for row in rows] == [
        ["a", "liver", "0.1500"],
        ["a", "spleen", "0.5000"],
        ["b", "liver", "0.1500"],
        ["b", "spleen", ""],
    ]


def test_the_table_to_read_has_means_over_the_structures(tmp_path):
    files = [
        tta_inconsistency("dar_uda", tmp_path / "0.tsv", FIRST),
        tta_inconsistency("dar_uda", tmp_path / "1.tsv", SECOND, seed=1),
        tta_inconsistency("supervised", tmp_path / "s.tsv", SECOND[:2]),
    ]
    table = tta_inconsistency_table(read_tta_inconsistency(files), "TTA inconsistency")
    assert table.header == ["case", "dar_uda", "supervised"]
    # (0.15 + 0.5) / 2; no mask holds the spleen of b; supervised was not applied to b
    assert [[cell.text for cell in row] for row in table.rows] == [["a", "0.325", "0.400"], ["b", "0.150", ""]]


def test_without_files_there_are_no_rows():
    assert tta_inconsistency_table(read_tta_inconsistency([]), "TTA inconsistency").rows == []
