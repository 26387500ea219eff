"""The calibration of methods, from small tables worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from dar_uda.evaluation.calibration_table import COLUMNS, calibration_errors, pooled, read_bins, tabulate_calibration
from tests.evaluation.calibration_files import write_calibration
from tests.evaluation.metrics_files import CHOICES, entry


def case(name, patient, *bins, structure="liver"):
    """Return the rows of a case, whose bins are (voxels, probability_sum, reference_voxels)."""
    return [(name, patient, structure, number, *bin_) for number, bin_ in enumerate(bins, start=1)]


# Errors 0.2 and 0.4 of one patient's scans, 0.1 of another's; `d` does not have the structure.
A, B = case("a", "p", (10, 1, 3), (0, 0, 0)), case("b", "p", (5, 0, 1), (5, 2, 5))
C, D = case("c", "q", (0, 0, 0), (10, 9, 10)), case("d", "r", (0, 0, 0), (10, 10, 0))
# Under another seed: 0, 0.2, 0.3
A1, B1, C1 = case("a", "p", (10, 3, 3), (0, 0, 0)), case("b", "p", (5, 1, 1), (5, 3, 5)), case("c", "q", (10, 3, 6))
D1 = case("d", "r", (0, 0, 0), (0, 0, 0))


def errors_of(tmp_path, *seeds):
    files = [write_calibration(tmp_path / f"{seed}.tsv", rows) for seed, rows in enumerate(seeds)]
    return calibration_errors([entry("dar_uda", path, seed) for seed, path in enumerate(files)], ["liver"])


def test_the_error_is_the_mean_over_patients_whose_cases_are_averaged_first(tmp_path):
    (row,) = errors_of(tmp_path, A + B + C + D).to_dict("records")
    assert (row["direction"], row["method"], row["structure"]) == ("ct-to-mr", "dar_uda", "liver")
    assert (row["n"], row["patients"], row["seeds"]) == (3, 2, 1)
    assert row["ece"] == pytest.approx((0.3 + 0.1) / 2)
    assert (row["ece_low"], row["ece_high"], row["ece_interval"]) == (pytest.approx(0.1), pytest.approx(0.3), "range")


def test_the_pooled_error_is_of_all_cases_together_also_of_those_without_the_structure(tmp_path):
    (row,) = errors_of(tmp_path, A + B + C + D).to_dict("records")
    # first bin: 15 voxels, 1 expected, 4 in the reference; second: 25 voxels, 21 expected, 15 in the reference
    assert row["ece_pooled"] == pytest.approx((3 + 6) / 40)


def test_seeds_are_averaged(tmp_path):
    (row,) = errors_of(tmp_path, A + B + C + D, A1 + B1 + C1 + D1).to_dict("records")
    assert (row["n"], row["patients"], row["seeds"]) == (3, 2, 2)
    # patient p: 0.3 and 0.1, patient q: 0.1 and 0.3
    assert row["ece"] == pytest.approx(0.2)
    # second seed: first bin 25 voxels, 7 expected, 10 in the reference; second 5 voxels, 3 expected, 5
    assert row["ece_pooled"] == pytest.approx((9 / 40 + 5 / 30) / 2)


def test_five_patients_have_an_interval(tmp_path):
    rows = [row for name in "abcde" for row in case(name, name, (10, "abcde".index(name) / 2, 3))]
    (row,) = errors_of(tmp_path, rows).to_dict("records")
    assert row["ece_interval"] == "95% t, cases only" and 0 < row["ece_low"] < row["ece"] < row["ece_high"] < 1


def test_a_structure_that_no_reference_has_has_no_error_but_a_pooled_one(tmp_path):
    (row,) = errors_of(tmp_path, D).to_dict("records")
    assert (row["n"], row["patients"], row["seeds"], row["ece_interval"]) == (0, 0, 1, "")
    assert np.isnan([row["ece"], row["ece_low"], row["ece_high"]]).all() and row["ece_pooled"] == 1


def test_a_structure_without_any_voxel_has_no_error_at_all(tmp_path):
    (row,) = errors_of(tmp_path, D1).to_dict("records")
    assert row["n"] == 0 and np.isnan([row["ece"], row["ece_pooled"]]).all()


def test_bins_are_pooled_over_cases_and_seeds(tmp_path):
    files = [write_calibration(tmp_path / "0.tsv", A + B), write_calibration(tmp_path / "1.tsv", A1 + B1)]
    bins = read_bins(entry("dar_uda", path, seed) for seed, path in enumerate(files))
    expected = [("liver", 1, 30, 5, 8), ("liver", 2, 10, 5, 10)]
    assert list(pooled(bins, ["structure", "bin"]).itertuples(index=False, name=None)) == expected


def test_the_table_says_what_it_is_of_with_six_decimals(tmp_path):
    files = {method: write_calibration(tmp_path / f"{method}.tsv", rows) for method, rows in (("x", A), ("y", C))}
    entries = [entry(method, path) for method, path in files.items()]
    tabulate_calibration(entries, ["liver", "spleen"], CHOICES, tmp_path / "calibration.tsv")
    table = pd.read_csv(tmp_path / "calibration.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert list(table.columns) == [*COLUMNS, "protocol", "model_selection"]
    assert table[["method", "structure", "n", "ece", "protocol"]].to_numpy().tolist() == [
        ["x", "liver", "1", "0.200000", "clean"],
        ["x", "spleen", "0", "", "clean"],
        ["y", "liver", "1", "0.100000", "clean"],
        ["y", "spleen", "0", "", "clean"],
    ]
