"""The summary's numbers, worked out by hand from small metrics tables."""

import pandas as pd
import pytest

from dar_uda.evaluation.summary import COLUMNS, read_summary, summarize, write_summary
from tests.evaluation.metrics_files import ABSENT, CHOICES, MISSED, OK, entry, one_case, write_metrics


def rows_of(metrics, unavailable=(), structures=("liver",), bounds=None):
    """Return the rows by direction, method and structure."""
    summary = summarize(metrics, unavailable, list(structures), bounds or {})
    return summary.set_index(["direction", "method", "structure"])


def test_rows_are_means_over_cases_and_the_mean_row_is_the_mean_of_the_structures(tmp_path):
    path = write_metrics(
        tmp_path / "m.tsv",
        [
            ("a", "liver", 0.8, 2.0, OK),
            ("a", "spleen", 0.5, 4.0, OK),
            ("b", "liver", 0.6, 1.0, OK),
            ("b", "spleen", 0.0, None, MISSED),
            ("c", "liver", 0.7, 3.0, OK),
            ("c", "spleen", None, None, ABSENT),
        ],
    )
    rows = rows_of([entry("dar_uda", path)], structures=["liver", "spleen"])
    liver, spleen, mean = (rows.loc[("ct-to-mr", "dar_uda", name)] for name in ("liver", "spleen", "mean"))
    columns = ["n", "missed", "dice_mean", "asd_mean"]
    assert list(liver[columns]) == pytest.approx([3, 0, 0.7, 2.0])
    assert list(spleen[columns]) == pytest.approx([2, 1, 0.25, 4.0])
    assert list(mean[columns]) == pytest.approx([3, 1, 0.475, 3.0])
    assert 0.6 - 1e-9 <= liver["dice_ci_low"] < 0.7 < liver["dice_ci_high"] <= 0.8 + 1e-9
    assert pd.isna(spleen["asd_ci_low"]), "one case has an ASD: no interval"


def test_the_table_has_exactly_the_promised_columns_and_six_decimals(tmp_path):
    metrics = [entry("dar_uda", one_case(tmp_path / "m.tsv", 1 / 3))]
    write_summary(metrics, [], ["liver"], {}, CHOICES, tmp_path / "summary.tsv")
    header, first = (tmp_path / "summary.tsv").read_text().splitlines()[:2]
    assert header == "\t".join([*COLUMNS, "protocol", "model_selection"])
    assert first == "ct-to-mr\tdar_uda\tliver\t1\t0\t0.333333\t\t\t1.000000\t\t\t\tclean\tlast"


def test_counts_are_whole_numbers_where_a_method_has_none(tmp_path):
    metrics = [entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))]
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    write_summary(metrics, unavailable, ["liver"], {}, CHOICES, tmp_path / "summary.tsv")
    missed = read_summary(tmp_path / "summary.tsv").set_index(["method", "structure"])["missed"]
    assert str(missed["dar_uda", "liver"]) == "0"
    assert missed["supervised"].isna().all()


def test_a_single_case_has_no_interval(tmp_path):
    rows = rows_of([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))])
    assert rows.filter(like="_ci_").isna().all(axis=None)


def test_seeds_are_averaged_per_case_first(tmp_path):
    first = write_metrics(tmp_path / "0.tsv", [("a", "liver", 0.4, 2.0, OK), ("b", "liver", 0.9, 1.0, OK)])
    second = write_metrics(tmp_path / "1.tsv", [("a", "liver", 0.0, None, MISSED), ("b", "liver", None, None, ABSENT)])
    rows = rows_of([entry("dar_uda", first), entry("dar_uda", second, seed=1)])
    liver = rows.loc[("ct-to-mr", "dar_uda", "liver")]
    # a: (0.4 + 0) / 2 and 2 mm (the miss has none); b: 0.9 and 1 mm (the absence says nothing).
    assert (liver["n"], liver["missed"]) == (2, 1)
    assert (liver["dice_mean"], liver["asd_mean"]) == pytest.approx((0.55, 1.5))


def test_gap_closed_is_the_share_of_what_supervision_gains(tmp_path):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    rows = rows_of([entry(name, one_case(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()])
    for structure in ("liver", "mean"):
        gaps = [rows.loc[("ct-to-mr", method, structure), "gap_closed"] for method in dices]
        assert gaps == pytest.approx([0.0, 0.75, 1.0])


def test_the_gap_of_a_2d_method_lies_between_its_own_bounds(tmp_path):
    dices = {"source_only": 0.2, "floor": 0.1, "cyclegan_2d": 0.4, "ceiling": 0.7, "supervised": 0.8}
    metrics = [entry(name, one_case(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]
    gaps = rows_of(metrics, bounds={"cyclegan_2d": ["floor", "ceiling"]})["gap_closed"].xs("mean", level="structure")
    assert gaps["ct-to-mr", "cyclegan_2d"] == pytest.approx(0.5)  # (0.4 - 0.1) / (0.7 - 0.1)
    assert gaps["ct-to-mr", "ceiling"] == pytest.approx(5 / 6)  # (0.7 - 0.2) / (0.8 - 0.2)


def test_there_is_no_gap_where_supervision_is_not_better_or_unavailable(tmp_path):
    metrics = [
        entry("source_only", one_case(tmp_path / "s.tsv", 0.8)),
        entry("dar_uda", one_case(tmp_path / "d.tsv", 0.7)),
        entry("supervised", one_case(tmp_path / "t.tsv", 0.8)),
        entry("source_only", one_case(tmp_path / "s2.tsv", 0.8), direction="mr-to-ct"),
    ]
    unavailable = [{"direction": "mr-to-ct", "method": "supervised", "reason": "no labels"}]
    assert rows_of(metrics, unavailable)["gap_closed"].isna().all()


def test_an_unavailable_method_has_empty_rows(tmp_path):
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    rows = rows_of([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))], unavailable)
    row = rows.loc[("ct-to-mr", "supervised", "mean")]
    assert row["n"] == 0 and row.drop("n").isna().all()


def test_rows_go_by_direction_then_by_method_as_given(tmp_path):
    path = one_case(tmp_path / "m.tsv", 0.5)
    metrics = [entry("z", path, direction="mr-to-ct"), entry("a", path), entry("a", path, direction="mr-to-ct")]
    order = [key[:2] for key in rows_of(metrics).index if key[2] == "mean"]
    assert order == [("mr-to-ct", "z"), ("mr-to-ct", "a"), ("ct-to-mr", "a")]


def test_a_metrics_file_without_a_structure_is_refused_by_name(tmp_path):
    path = one_case(tmp_path / "old.tsv", 0.5)
    with pytest.raises(ValueError, match=r"old\.tsv.*\('007', 'spleen'\)"):
        rows_of([entry("dar_uda", path)], structures=["liver", "spleen"])


def test_seeds_with_different_cases_are_refused(tmp_path):
    first = one_case(tmp_path / "0.tsv", 0.5)
    second = write_metrics(tmp_path / "1.tsv", [("008", "liver", 0.5, 1.0, OK)])
    with pytest.raises(ValueError, match=r"1\.tsv.*'007'.*'008'"):
        rows_of([entry("dar_uda", first), entry("dar_uda", second, seed=1)])
