"""The summary's numbers, worked out by hand from small metrics tables."""

import pandas as pd
import pytest

from dar_uda.evaluation.score import ABSENT, FAILURE, FALSE_ALARM, FALSE_NEGATIVE, OK
from dar_uda.evaluation.summary import COLUMNS, read_summary, summarize, write_summary
from tests.evaluation.metrics_files import CHOICES, entry, five_cases, one_case, write_metrics

CEILINGS = ["supervised"]


def rows_of(metrics, unavailable=(), structures=("liver",), bounds=None):
    """Return the rows by direction, method and structure."""
    summary = summarize(metrics, unavailable, list(structures), bounds or {}, CEILINGS)
    return summary.set_index(["direction", "method", "structure"])


def test_rows_are_means_over_cases_and_the_mean_row_is_the_mean_of_each_case_over_what_it_has(tmp_path):
    path = write_metrics(
        tmp_path / "m.tsv",
        [
            ("a", "liver", 0.8, 2.0, OK),
            ("a", "spleen", 0.5, 4.0, OK),
            ("b", "liver", 0.6, 1.0, OK),
            ("b", "spleen", 0.0, None, FALSE_NEGATIVE),
            ("c", "liver", 0.7, 3.0, OK),
            ("c", "spleen", None, None, ABSENT),
        ],
    )
    rows = rows_of([entry("dar_uda", path)], structures=["liver", "spleen"])
    liver, spleen, mean = (rows.loc[("ct-to-mr", "dar_uda", name)] for name in ("liver", "spleen", "mean"))
    columns = ["n", "false_negatives", "dice_mean", "asd_n", "asd_mean"]
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
    columns = ["n", "false_negatives", "false_alarms", "dice_mean", "asd_mean"]
    liver = rows_of(metrics).xs("liver", level="structure")[columns]
    assert list(liver.loc[("ct-to-mr", "dar_uda")]) == pytest.approx([2, 0, 2, 0.6, 1.0])
    assert list(liver.loc[("ct-to-mr", "quiet")]) == pytest.approx([2, 0, 0, 0.6, 1.0])
    assert list(liver.loc[("ct-to-mr", "loud")]) == pytest.approx([2, 0, 1, 0.6, 1.0])


def test_a_structure_that_no_reference_has_has_no_dice(tmp_path):
    path = write_metrics(tmp_path / "m.tsv", [("a", "liver", 0.0, None, FALSE_ALARM)])
    row = rows_of([entry("dar_uda", path)]).loc[("ct-to-mr", "dar_uda", "mean")]
    assert (row["n"], row["seeds"], row["false_negatives"], row["false_alarms"], row["asd_n"]) == (0, 1, 0, 1, 0)
    assert (row["references"], row["absences"]) == (0, 1)
    assert row.filter(like="dice_").drop(["dice_n", "dice_values"]).isna().all() and pd.isna(row["gap_closed"])


def test_failures_false_negatives_and_false_alarms_are_counted_apart_of_how_many(tmp_path):
    """Before, a blob in the wrong organ with Dice 0 counted as found."""
    first = [
        ("a", "liver", 0.05, 9.0, FAILURE),
        ("b", "liver", 0.0, None, FALSE_NEGATIVE),
        ("c", "liver", 0.8, 1.0, OK),
    ]
    spleen = [
        ("a", "spleen", 0.0, None, FALSE_ALARM),
        ("b", "spleen", None, None, ABSENT),
        ("c", "spleen", 0.5, 1.0, OK),
    ]
    second = [(case, structure, 0.5, 1.0, OK) for case, structure, *_ in first]
    paths = [write_metrics(tmp_path / f"{seed}.tsv", [*rows, *spleen]) for seed, rows in enumerate((first, second))]
    rows = rows_of([entry("dar_uda", path, seed) for seed, path in enumerate(paths)], structures=["liver", "spleen"])
    columns = ["references", "false_negatives", "failures", "absences", "false_alarms"]
    found = rows.xs(("ct-to-mr", "dar_uda"))[columns].to_dict("split")["data"]
    assert found == [[6, 1, 2, 0, 0], [2, 0, 0, 4, 2], [8, 1, 2, 4, 2]]
    assert list(rows.loc[("ct-to-mr", "dar_uda", "liver"), ["reference_ml", "predicted_ml"]]) == [1, 5 / 6]
    assert list(rows.loc[("ct-to-mr", "dar_uda", "spleen"), ["reference_ml", "predicted_ml"]]) == [1, 1]


def test_the_patient_is_the_unit_of_means_and_intervals(tmp_path):
    """Six scans of five patients: those of P count as one value of 0.3; before, as two."""
    dices = dict(zip("abcdef", (0.2, 0.4, 0.5, 0.6, 0.7, 0.9), strict=True))
    rows = [(case, "liver", dice, 1.0, OK) for case, dice in dices.items()]
    path = write_metrics(tmp_path / "m.tsv", rows, patients={"a": "P", "b": "P"})
    five = five_cases(tmp_path / "five.tsv", 0.3, 0.5, 0.6, 0.7, 0.9)
    six, expected = (rows_of([entry("dar_uda", one)]).loc[("ct-to-mr", "dar_uda", "liver")] for one in (path, five))
    assert (six["n"], six["patients"], six["dice_n"]) == (6, 5, 6)
    same = ["dice_mean", "dice_low", "dice_high", "dice_interval", "dice_sd", "dice_median", "dice_by_seed"]
    assert list(six[same]) == list(expected[same])
    assert (six["dice_worst"], six["dice_worst_case"]) == (0.2, "a")


def test_a_metric_of_distances_marks_no_method_that_leaves_the_hardest_out(tmp_path):
    """Before, a method that missed the four hard kidneys of six had the best ASD, in bold."""
    honest = [(case, "liver", 0.8, asd, OK) for case, asd in zip("abcde", (2, 3, 4, 5, 6), strict=True)]
    other = [(*row[:3], row[3] + extra, OK) for row, extra in zip(honest, (1, 2, 1, 2, 1), strict=True)]
    selective = [("a", "liver", 0.8, 1.0, OK), *((case, "liver", 0.0, None, FALSE_NEGATIVE) for case in "bcde")]
    files = {"honest": honest, "other": other, "selective": selective, "supervised": honest}
    rows = rows_of([entry(name, write_metrics(tmp_path / f"{name}.tsv", lines)) for name, lines in files.items()])
    best = rows.xs(("ct-to-mr", "liver"), level=("direction", "structure"))["asd_best"]
    assert best.dropna().to_dict() == {"honest": 1, "other": 0}
    assert rows.loc[("ct-to-mr", "selective", "liver"), ["asd_mean", "asd_n"]].tolist() == [1.0, 1]


def test_the_table_has_exactly_the_promised_columns_and_six_decimals(tmp_path):
    metrics = [entry("dar_uda", one_case(tmp_path / "m.tsv", 1 / 3))]
    write_summary(metrics, [], ["liver"], {}, CEILINGS, CHOICES, tmp_path / "summary.tsv")
    header, first = (tmp_path / "summary.tsv").read_text().splitlines()[:2]
    assert header == "\t".join([*COLUMNS, "protocol", "model_selection"])
    counts = "1\t1\t1\t1\t0\t0\t0\t0\t1.000000\t1.000000"
    dice = "1\t1\t0.333333\t\t\t\t\t\t0.333333\t0.333333\t007\t0.333333"
    asd = "1\t1\t1.000000\t\t\t\t\t\t1.000000\t1.000000\t007\t1.000000"
    rvd = "1\t1\t0.000000\t\t\t\t\t\t0.000000\t0.000000\t007\t0.000000"
    empty = ["0\t0" + 10 * "\t"] * 3
    metrics = "\t".join([dice, asd, *empty, rvd])
    assert first == f"ct-to-mr\tdar_uda\tliver\t{counts}\t{metrics}\t\t\t\t\tclean\tlast"


def test_counts_are_whole_numbers_where_a_method_has_none(tmp_path):
    metrics = [entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))]
    unavailable = [{"direction": "ct-to-mr", "method": "supervised", "reason": "no labels"}]
    write_summary(metrics, unavailable, ["liver"], {}, CEILINGS, CHOICES, tmp_path / "summary.tsv")
    failures = read_summary(tmp_path / "summary.tsv").set_index(["method", "structure"])["failures"]
    assert str(failures["dar_uda", "liver"]) == "0"
    assert failures["supervised"].isna().all()


def test_a_single_case_has_no_interval(tmp_path):
    rows = rows_of([entry("dar_uda", one_case(tmp_path / "m.tsv", 0.5))])
    assert rows.filter(regex="_(low|high)$").isna().all(axis=None)


def test_seeds_are_averaged_per_case_first(tmp_path):
    first = write_metrics(tmp_path / "0.tsv", [("a", "liver", 0.4, 2.0, OK), ("b", "liver", 0.9, 1.0, OK)])
    second = write_metrics(
        tmp_path / "1.tsv", [("a", "liver", 0.0, None, FALSE_NEGATIVE), ("b", "liver", 0.7, 2.0, OK)]
    )
    rows = rows_of([entry("dar_uda", first), entry("dar_uda", second, seed=1)])
    liver = rows.loc[("ct-to-mr", "dar_uda", "liver")]
    # a: (0.4 + 0) / 2 and 2 mm (the miss has none); b: (0.9 + 0.7) / 2 and 1.5 mm.
    assert (liver["n"], liver["false_negatives"], liver["asd_n"], liver["asd_values"]) == (2, 1, 2, 3)
    assert (liver["dice_mean"], liver["asd_mean"]) == pytest.approx((0.5, 1.75))
    assert (liver["dice_by_seed"], liver["asd_by_seed"]) == ("0.650000 0.350000", "1.500000 2.000000")


def test_gap_closed_is_the_part_of_what_supervision_gains(tmp_path):
    dices = {"source_only": 0.2, "dar_uda": 0.65, "supervised": 0.8}
    rows = rows_of([entry(name, five_cases(tmp_path / f"{name}.tsv", dice)) for name, dice in dices.items()])
    for structure in ("liver", "mean"):
        found = rows.xs(("ct-to-mr", structure), level=("direction", "structure")).loc[list(dices)]
        assert list(found["gap_closed"]) == pytest.approx([0.0, 0.75, 1.0])
        assert list(found["above_floor"]) == pytest.approx([0.0, 0.45, 0.6])
        assert found["gap_low"].isna().all(), (
            "the same part of the gap in every case: nothing to estimate an error from"
        )


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
    assert list(row[["n", "patients", "seeds"]]) == [0, 0, 0] and row.drop(["n", "patients", "seeds"]).isna().all()


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
