"""The summary's numbers, worked out by hand from small metrics tables."""

import pandas as pd
import pytest

from dar_uda.evaluation.summary import COLUMNS, read_summary, summarize, write_summary
from tests.evaluation.metrics_files import (
    ABSENT,
    CHOICES,
    FALSE_ALARM,
    MISSED,
    OK,
    entry,
    five_cases,
    one_case,
    write_metrics,
)


def rows_of(metrics, unavailable=(), structures=("liver",), bounds=None):
    """Return the rows by direction, method and structure."""
    summary = summarize(metrics, unavailable, list(structures), bounds or {})
    return summary.set_index(["direction", "method", "structure"])


def test_rows_are_means_over_cases_and_the_mean_row_is_the_mean_of_each_case_over_what_it_has(tmp_path):
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
    columns = ["n", "missed", "dice_mean", "asd_n", "asd_mean"]
    assert list(liver[columns]) == pytest.approx([3, 0, 0.7, 3, 2.0])
    assert list(spleen[columns]) == pytest.approx([2, 1, 0.25, 1, 4.0])
    # Cases: (0.8 + 0.5) / 2, (0.6 + 0) / 2, 0.7; ASD (2 + 4) / 2, 1, 3.
    assert list(mean[columns]) == pytest.approx([3, 1, 1.65 / 3, 3, 7 / 3])
    assert list(mean[["dice_low", "dice_high"]]) == pytest.approx([0.3, 0.7]), "fewer than five cases: their range"
    assert mean["dice_interval"] == "range" and pd.isna(spleen["asd_low"]), "one case has an ASD: no interval"


def test_the_spread_over_the_cases_and_the_worst_of_them(tmp_path):
    first, second = (
        five_cases(tmp_path / f"{seed}.tsv", *dices)
        for seed, dices in enumerate([(0.2, 0.6, 0.7, 0.8, 0.9), (0.4, 0.6, 0.7, 0.8, 0.9)])
    )
    liver = rows_of([entry("dar_uda", first), entry("dar_uda", second, seed=1)]).loc[("ct-to-mr", "dar_uda", "liver")]
    # Cases 0.3, 0.6, 0.7, 0.8, 0.9: mean 0.66, squares of the deviations add up to 0.212, over 4 it is 0.053.
    assert list(liver[["dice_mean", "dice_median", "dice_worst"]]) == pytest.approx([0.66, 0.7, 0.3])
    assert liver["dice_worst_case"] == "a" and liver["dice_sd"] == pytest.approx(0.053**0.5)
    assert (liver["seeds"], liver["dice_by_seed"]) == (2, "0.640000 0.680000")


def test_dice_counts_where_the_reference_has_the_structure_and_false_alarms_count_apart(tmp_path):
    """Before, a false alarm in c made the mean 0.4 for one seed, and less than 0.6 for several."""
    rows = [("a", "liver", 0.8, 1.0, OK), ("b", "liver", 0.4, 1.0, OK)]
    quiet = write_metrics(tmp_path / "quiet.tsv", [*rows, ("c", "liver", None, None, ABSENT)])
    alarm = write_metrics(tmp_path / "alarm.tsv", [*rows, ("c", "liver", 0.0, None, FALSE_ALARM)])
    metrics = [entry("dar_uda", quiet), entry("dar_uda", alarm, seed=1), entry("dar_uda", alarm, seed=2)]
    metrics += [entry("quiet", quiet), entry("loud", alarm)]
    liver = rows_of(metrics).xs("liver", level="structure")[["n", "missed", "false_alarms", "dice_mean", "asd_mean"]]
    assert list(liver.loc[("ct-to-mr", "dar_uda")]) == pytest.approx([2, 0, 2, 0.6, 1.0])
    assert list(liver.loc[("ct-to-mr", "quiet")]) == pytest.approx([2, 0, 0, 0.6, 1.0])
    assert list(liver.loc[("ct-to-mr", "loud")]) == pytest.approx([2, 0, 1, 0.6, 1.0])


def test_a_structure_that_no_reference_has_has_no_dice(tmp_path):
    path = write_metrics(tmp_path / "m.tsv", [("a", "liver", 0.0, None, FALSE_ALARM)])
    row = rows_of([entry("dar_uda", path)]).loc[("ct-to-mr", "dar_uda", "mean")]
    assert (row["n"], row["seeds"], row["missed"], row["false_alarms"], row["asd_n"]) == (0, 1, 0, 1, 0)
    assert row.filter(like="dice_").isna().all() and pd.isna(row["gap_closed"])


def test_the_table_has_exactly_the_promised_columns_and_six_decimals(tmp_path):
    metrics = [entry("dar_uda", one_case(tmp_path / "m.tsv", 1 / 3))]
    write_summary(metrics, [], ["liver"], {}, CHOICES, tmp_path / "summary.tsv")
    header, first = (tmp_path / "summary.tsv").read_text().splitlines()[:2]
    assert header == "\t".join([*COLUMNS, "protocol", "model_selection"])
    dice = "0.333333\t\t\t\t\t0.333333\t0.333333\t007\t0.333333"
    asd = "1\t1.000000\t\t\t\t\t1.000000\t1.000000\t007\t1.000000"
    assert first == f"ct-to-mr\tdar_uda\tliver\t1\t1\t0\t0\t{dice}\t{asd}\t\t\t\t\tclean\tlast"


def test_counts_are_whole_numbers_where_a_method_has_none(tmp_path):
    metrics = [entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))]
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    write_summary(metrics, unavailable, ["liver"], {}, CHOICES, tmp_path / "summary.tsv")
    missed = read_summary(tmp_path / "summary.tsv").set_index(["method", "structure"])["missed"]
    assert str(missed["dar_uda", "liver"]) == "0"
    assert missed["supervised"].isna().all()


def test_a_single_case_has_no_interval(tmp_path):
    rows = rows_of([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))])
    assert rows.filter(regex="_(low|high)$").isna().all(axis=None)


def test_seeds_are_averaged_per_case_first(tmp_path):
    first = write_metrics(tmp_path / "0.tsv", [("a", "liver", 0.4, 2.0, OK), ("b", "liver", 0.9, 1.0, OK)])
    second = write_metrics(tmp_path / "1.tsv", [("a", "liver", 0.0, None, MISSED), ("b", "liver", 0.7, 2.0, OK)])
    rows = rows_of([entry("dar_uda", first), entry("dar_uda", second, seed=1)])
    liver = rows.loc[("ct-to-mr", "dar_uda", "liver")]
    # a: (0.4 + 0) / 2 and 2 mm (the miss has none); b: (0.9 + 0.7) / 2 and 1.5 mm.
    assert (liver["n"], liver["missed"]) == (2, 1)
    assert (liver["dice_mean"], liver["asd_mean"]) == pytest.approx((0.5, 1.75))
    assert (liver["dice_by_seed"], liver["asd_by_seed"]) == ("0.650000 0.350000", "1.500000 2.000000")


def test_gap_closed_is_the_part_of_what_supervision_gains(tmp_path):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    rows = rows_of([entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()])
    for structure in ("liver", "mean"):
        found = rows.xs(("ct-to-mr", structure), level=("direction", "structure")).loc[list(dices)]
        assert list(found["gap_closed"]) == pytest.approx([0.0, 0.75, 1.0])
        assert list(found["above_floor"]) == pytest.approx([0.0, 0.45, 0.6])
        assert found["gap_low"].tolist() == pytest.approx([float("nan"), 0.75, float("nan")], nan_ok=True)


def test_the_gap_of_a_2d_method_lies_between_its_own_bounds(tmp_path):
    dices = {"source_only": 0.2, "floor": 0.1, "cyclegan_2d": 0.4, "ceiling": 0.7, "supervised": 0.8}
    metrics = [entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]
    gaps = rows_of(metrics, bounds={"cyclegan_2d": ["floor", "ceiling"]})["gap_closed"].xs("mean", level="structure")
    assert gaps["ct-to-mr", "cyclegan_2d"] == pytest.approx(0.5)  # (0.4 - 0.1) / (0.7 - 0.1)
    assert gaps["ct-to-mr", "ceiling"] == pytest.approx(5 / 6)  # (0.7 - 0.2) / (0.8 - 0.2)


def test_there_is_no_gap_where_supervision_is_hardly_better_or_unavailable(tmp_path):
    """Before, floor 0.800 and ceiling 0.801 made a gain of 0.01 1000 %."""
    dices = {"source_only": 0.8, "dar_uda": 0.81, "supervised": 0.801}
    metrics = [entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]
    metrics.append(entry("source_only", five_cases(tmp_path / "s2.tsv", 0.8), direction="mr-to-ct"))
    unavailable = [{"direction": "mr-to-ct", "method": "supervised", "reason": "no labels"}]
    rows = rows_of(metrics, unavailable)
    assert rows["gap_closed"].isna().all()
    assert rows.loc[("ct-to-mr", "dar_uda", "mean"), "above_floor"] == pytest.approx(0.01)


def test_rows_with_other_seeds_are_not_compared(tmp_path):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    metrics = [entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()]
    rows = rows_of([{**one, "seed": 1} if one["method"] == "source_only" else one for one in metrics])
    assert rows.loc[("ct-to-mr", "dar_uda", "mean"), ["above_floor", "gap_closed"]].isna().all()


def test_an_unavailable_method_has_empty_rows(tmp_path):
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    rows = rows_of([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))], unavailable)
    row = rows.loc[("ct-to-mr", "supervised", "mean")]
    assert row["n"] == row["seeds"] == 0 and row.drop(["n", "seeds"]).isna().all()


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


def test_seeds_with_different_references_are_refused(tmp_path):
    first = one_case(tmp_path / "0.tsv", 0.5)
    second = write_metrics(tmp_path / "1.tsv", [("007", "liver", None, None, ABSENT)])
    with pytest.raises(ValueError, match=r"1\.tsv.*other references.*'007', 'liver'"):
        rows_of([entry("dar_uda", first), entry("dar_uda", second, seed=1)])
