"""Masks that another program made: read, scored and tabulated, numbers worked out by hand."""

import logging

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dar_uda.data.grid import write_grids
from dar_uda.data.volume import read_grid
from dar_uda.evaluation.differences import read_differences, write_differences
from dar_uda.evaluation.external_masks import read_external_masks
from dar_uda.evaluation.score import FALSE_NEGATIVE, OK, score_method
from dar_uda.evaluation.summary import read_summary, write_summary
from dar_uda.evaluation.tables import tabulate
from tests.data.dicom_files import save_slice
from tests.data.label_objects import contour, make_rtstruct, save_scan
from tests.evaluation.metrics_files import CHOICES, entry, five_cases, write_metrics

SHAPE = (6, 5, 4)
AFFINE = np.diag([2.0, 1.0, 5.0, 1.0])
STRUCTURES = ["liver", "spleen"]
TRUTH = {1: 6, 2: 6, 4: 1}
"""Planes of the references: two of liver, value 6, and one of spleen, value 1."""


def write(path, planes, affine=AFFINE, shape=SHAPE):
    array = np.zeros(shape, np.int16)
    for index, value in planes.items():
        array[index] = value
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def cases(tmp_path):
    """Two cases with the same reference, and their grids."""
    for name in ("a", "b"):
        path = write(tmp_path / f"{name}_label.nii.gz", TRUTH)
        write_grids(tmp_path / f"{name}.json", read_grid(path), read_grid(path))
    return tmp_path


def read(folder, masks, values=((6,), (1,)), has_others=False, scored=("a", "b")):
    """Read masks of cases `a` and `b` by case."""
    read_external_masks(
        ["a", "b"],
        list(scored),
        list(masks),
        list(masks.values()),
        [folder / "a.json", folder / "b.json"],
        folder / "predictions",
        folder / "missing.tsv",
        STRUCTURES,
        [list(one) for one in values],
        has_others,
        folder / "versions.tsv",
    )


def score(folder, names=("a", "b"), tolerances=(None, None)):
    """Return the scores of cases by case and structure."""
    labels = [folder / f"{name}_label.nii.gz" for name in names]
    score_method(
        *(names, names, folder / "predictions", labels, labels, folder / "metrics.tsv"),
        *(STRUCTURES, [[6], [1]], tolerances),
    )
    return pd.read_csv(folder / "metrics.tsv", sep="\t").set_index(["case", "structure"])


def summarized(folder):
    """Return the rows of the summary by structure, and the page."""
    page = folder / "summary.md"
    tabulate(
        scores=[entry("nnunet", folder / "metrics.tsv") | {"is_external": True}],
        unavailable=[],
        structures=STRUCTURES,
        bounds={},
        ceilings=[],
        reference="nnunet",
        choices=CHOICES,
        table=folder / "summary.tsv",
        differences=folder / "differences.tsv",
        missing=[entry("nnunet", folder / "missing.tsv")],
        metrics=["dice", "asd"],
        tta_inconsistency=[],
        notes={},
        usage={},
        stamp="stamp",
        pages=[page],
    )
    return pd.read_csv(folder / "summary.tsv", sep="\t").set_index("structure"), page.read_text()


def test_perfect_masks_have_dice_1_and_no_missing_case(cases):
    read(cases, {name: cases / f"{name}_label.nii.gz" for name in "ab"})
    assert (score(cases)["dice"] == 1).all() and (cases / "missing.tsv").read_text() == "case\n"
    summary, page = summarized(cases)
    assert summary.loc["mean", "dice_mean"] == 1 and (summary["missing"] == 0).all()
    assert "| method | n | seeds | missing |" in page and "no mask of" not in page
    assert "masks of another program, read from files" in " ".join(page.split())


def test_a_missing_case_is_named_and_halves_the_mean_of_two(cases, caplog):
    with caplog.at_level(logging.WARNING):
        read(cases, {"a": cases / "a_label.nii.gz"})
    assert "DAR-359: 1 of 2 scored test cases have no mask, and count as empty masks with Dice 0: b" in caplog.text
    assert (cases / "missing.tsv").read_text() == "case\nb\n"
    scores = score(cases)
    assert list(scores["dice"]) == [1, 1, 0, 0] and scores.loc["b", "asd_mm"].isna().all()
    assert list(scores.loc["b", "status"]) == ["false_negative"] * 2
    summary, page = summarized(cases)
    assert summary.loc["mean", "dice_mean"] == 0.5 and summary.loc["mean", "asd_mean"] == 0
    assert list(summary["missing"]) == [1, 1, 1] and set(summary["missing_cases"]) == {"b"}
    assert "- `nnunet`: no mask of b, which counts as an empty mask with Dice 0; distances" in page


def test_a_missing_case_has_nsd_0_where_there_is_a_tolerance_and_rvd_minus_1(cases):
    """The mask has none of the reference's volume: (0 - V) / V = -1."""
    read(cases, {"a": cases / "a_label.nii.gz"})
    scores = score(cases, tolerances=[1.0, None])
    assert list(scores.loc["a", "rvd"]) == [0, 0] and list(scores.loc["b", "rvd"]) == [-1, -1]
    assert scores.loc["a", "nsd"].tolist()[0] == 1 and scores.loc["b", "nsd"].tolist()[0] == 0
    assert scores["nsd"].isna().tolist() == [False, True, False, True]


def test_a_missing_case_leads_in_distances_that_leave_it_out(tmp_path):
    """The method errs by 1 mm in four cases and by 9 mm in the fifth, which alone the other program misses."""
    rows = [(case, "liver", 0.9, 1.0, OK) for case in "abcd"]
    own = write_metrics(tmp_path / "own.tsv", [*rows, ("e", "liver", 0.5, 9.0, OK)])
    other = write_metrics(tmp_path / "other.tsv", [*rows, ("e", "liver", 0.0, None, FALSE_NEGATIVE)])
    scores = [entry("dar_uda", own), entry("nnunet", other) | {"is_external": True}]
    write_summary(scores, [], ["liver"], {}, [], CHOICES, tmp_path / "summary.tsv")
    write_differences(scores, ["liver"], "dar_uda", CHOICES, tmp_path / "differences.tsv")
    means = read_summary(tmp_path / "summary.tsv").query("structure == 'mean'").set_index("method")
    assert means["asd_mean"].to_dict() == pytest.approx({"dar_uda": (4 + 9) / 5, "nnunet": 1.0})
    assert means["dice_mean"].to_dict() == pytest.approx({"dar_uda": 4.1 / 5, "nnunet": 3.6 / 5})
    compared = read_differences(tmp_path / "differences.tsv").query("structure == 'mean'").set_index("metric")
    assert (compared.loc["asd", "n"], compared.loc["asd", "difference"]) == (4, 0.0)
    assert (compared.loc["dice", "n"], compared.loc["dice", "difference"]) == (5, pytest.approx(-0.1))


def test_a_case_without_label_and_mask_is_named_in_the_log_alone(cases, caplog):
    """Case b has neither: of the one scored case a, which has a mask, none is missing."""
    with caplog.at_level(logging.WARNING):
        read(cases, {"a": cases / "a_label.nii.gz"}, scored=["a"])
    assert [record.getMessage() for record in caplog.records] == [
        "DAR-359: Cases with neither a mask nor a label to score one: b"
    ]
    assert (cases / "missing.tsv").read_text() == "case\n"
    score(cases, ["a"])
    summary, page = summarized(cases)
    assert list(summary["n"]) == [1, 1, 1] and list(summary["missing"]) == [0, 0, 0]
    assert summary.loc["mean", "dice_mean"] == 1 and "no mask of" not in page


def test_labels_are_mapped_and_all_other_values_are_background(cases):
    mask = write(cases / "ready.nii.gz", {1: 5, 2: 5, 4: 1, 5: 104})
    read(cases, {"a": mask, "b": mask}, values=((5,), (1,)), has_others=True)
    assert (score(cases)["dice"] == 1).all()


def test_a_structure_without_a_value_is_in_no_mask(cases):
    read(cases, {name: cases / f"{name}_label.nii.gz" for name in "ab"}, values=((6,), ()), has_others=True)
    assert list(score(cases)["dice"]) == [1, 0, 1, 0]


def test_labels_whose_values_no_file_holds_are_refused_with_both(cases):
    """The files hold liver 6 and spleen 1."""
    with pytest.raises(ValueError, match=r"DAR-193: No mask of this row, such as .*a_label.nii.gz, holds a") as error:
        read(cases, {name: cases / f"{name}_label.nii.gz" for name in "ab"}, values=((5,), (2, 3)), has_others=True)
    assert "expected liver 5, spleen 2 or 3, found the values 0, 1, 6. Correct `labels`" in str(error.value)


def test_labels_of_which_files_hold_some_are_a_warning(cases, caplog):
    """One file of two holds a spleen, and none a liver of value 5."""
    no_spleen = write(cases / "no_spleen.nii.gz", {1: 6})
    with caplog.at_level(logging.WARNING):
        read(cases, {"a": no_spleen, "b": cases / "b_label.nii.gz"}, values=((5,), (1,)), has_others=True)
    assert [record.getMessage().partition(". If")[0] for record in caplog.records] == [
        "DAR-194: No mask holds liver 5: found the values 0, 1, 6"
    ]


def test_a_structure_that_one_file_of_two_holds_and_one_left_out_of_labels_are_no_warning(cases, caplog):
    with caplog.at_level(logging.WARNING):
        read(cases, {"a": write(cases / "none.nii.gz", {}), "b": cases / "b_label.nii.gz"})
        read(cases, {"a": cases / "a_label.nii.gz", "b": cases / "b_label.nii.gz"}, ((6,), ()), has_others=True)
    assert not caplog.records


def test_masks_without_labels_that_are_all_empty_are_a_result(cases, caplog):
    empty = write(cases / "none.nii.gz", {})
    with caplog.at_level(logging.WARNING):
        read(cases, {"a": empty, "b": empty})
    assert "DAR-194: No mask holds liver 6, spleen 1: found the values 0." in caplog.text
    assert (score(cases)["dice"] == 0).all()


def test_a_value_that_no_structure_has_is_refused_with_the_file_and_what_was_expected(cases):
    mask = write(cases / "odd.nii.gz", {1: 6, 2: 2, 3: 3})
    with pytest.raises(ValueError, match=r"DAR-358: Case b: .*odd.nii.gz holds the values 2, 3, which no") as error:
        read(cases, {"a": cases / "a_label.nii.gz", "b": mask})
    assert "expected liver 6, spleen 1, and 0 for background" in str(error.value)
    assert "give this row `labels`" in str(error.value)


def test_probabilities_are_refused_by_name(cases):
    path = cases / "soft.nii.gz"
    nib.save(nib.Nifti1Image(np.full(SHAPE, 0.5, np.float32), AFFINE), path)
    with pytest.raises(ValueError, match=r"Case a \(.*soft.nii.gz\): DAR-182"):
        read(cases, {"a": path}, has_others=True)


def test_masks_on_other_grids_are_all_refused_by_name_and_nothing_is_written(cases):
    moved = AFFINE.copy()
    moved[0, 3] = 3.0
    masks = {"a": write(cases / "moved.nii.gz", TRUTH, moved), "b": write(cases / "small.nii.gz", {}, shape=(6, 5, 3))}
    with pytest.raises(ValueError, match="DAR-353: 2 of 2 predictions are not on the grids of their scans") as error:
        read(cases, masks)
    assert "a: corners differ by up to 1.5 voxels" in str(error.value) and "moved.nii.gz" in str(error.value)
    assert "b: their shapes or directions differ" in str(error.value) and "resample them" in str(error.value)
    assert not (cases / "predictions").exists()


@pytest.fixture
def drawn(tmp_path):
    """Two scans and their contours: liver 1 in slice 2, spleen 2 in slice 4; in b numbered the other way."""
    liver, spleen = ("Liver", [contour(SQUARE, 2)]), (" spleen", [contour(SQUARE, 4)])
    for name, structures in {"a": {1: liver, 2: spleen}, "b": {1: spleen, 2: liver}}.items():
        grid = read_grid(save_scan(tmp_path / name))
        write_grids(tmp_path / f"{name}.json", grid, grid)
        save_slice(make_rtstruct(structures), tmp_path / f"{name}.dcm")
    return tmp_path


SQUARE = [(0.5, 1.5), (4.5, 1.5), (4.5, 5.5), (0.5, 5.5)]
"""Columns 1 to 4, rows 2 to 5."""


@pytest.mark.parametrize("has_others", [True, False])
def test_contours_are_found_by_name_however_a_file_numbers_them(drawn, has_others):
    files = {name: drawn / f"{name}.dcm" for name in "ab"}
    read(drawn, files, [["Liver"], [1, "Spleen"]], has_others)
    expected = np.zeros((8, 7, 6))
    expected[1:5, 2:6, 2], expected[1:5, 2:6, 4] = 1, 2
    for name in files:
        found = np.asanyarray(nib.load(drawn / "predictions" / f"{name}.nii.gz").dataobj)
        np.testing.assert_array_equal(found, expected)


def test_contours_that_files_number_differently_are_refused_by_number_alone(drawn):
    files = {name: drawn / f"{name}.dcm" for name in "ab"}
    with pytest.raises(
        ValueError, match="DAR-542: .*a.dcm and .*b.dcm number .* differently, 2 among .* behind its"
    ) as e:
        read(drawn, files, [[1, "liver"], [2]])
    assert "spleen" not in str(e.value).lower()
    save_slice(make_rtstruct({3: ("LIVER", [contour(SQUARE, 2)])}), drawn / "b.dcm")
    with pytest.raises(ValueError, match="DAR-542: .*differently, 1 among"):
        read(drawn, files, [[1], [7]])
    read(drawn, {"a": files["a"]}, [[1], [2]])


def test_order_and_sense_of_the_axes_may_differ(cases):
    """The same planes, with the first axis reversed."""
    reversed_axis = np.diag([-2.0, 1.0, 5.0, 1.0])
    reversed_axis[0, 3] = 2.0 * 5
    mask = write(cases / "flipped.nii.gz", {5 - index: value for index, value in TRUTH.items()}, reversed_axis)
    read(cases, {"a": mask, "b": mask})
    assert (score(cases)["dice"] == 1).all()


def test_a_mask_with_two_axes_exchanged_is_brought_to_those_of_the_scan(cases):
    """The same planes, in a file whose first axis is the scan's second: 5 x 6 x 4 voxels."""
    planes = np.zeros(SHAPE, np.int16)
    for index, value in TRUTH.items():
        planes[index] = value
    path = cases / "transposed.nii.gz"
    nib.save(nib.Nifti1Image(planes.transpose(1, 0, 2), AFFINE[:, [1, 0, 2, 3]]), path)
    read(cases, {"a": path, "b": path})
    assert (score(cases)["dice"] == 1).all()
    written = nib.load(cases / "predictions" / "a.nii.gz")
    assert written.shape == SHAPE and np.array_equal(written.affine, AFFINE)


def test_masks_of_another_program_can_be_the_reference_row_of_several_seeds(tmp_path):
    """Five equal cases: the method 0.6, 0.7 and 0.8 under three seeds, the other program 0.5."""
    scores = [entry("dar_uda", five_cases(tmp_path / f"{seed}.tsv", 0.6 + seed / 10), seed) for seed in range(3)]
    scores.append(entry("nnunet", five_cases(tmp_path / "n.tsv", 0.5)) | {"is_external": True})
    write_differences(scores, ["liver"], "nnunet", CHOICES, tmp_path / "differences.tsv")
    row = read_differences(tmp_path / "differences.tsv").query("structure == 'mean' and metric == 'dice'").iloc[0]
    assert (row["method"], row["reference"], row["seeds"], row["n"], row["wins"]) == ("dar_uda", "nnunet", 3, 5, 5)
    assert row["difference"] == pytest.approx(0.2)
    # Seeds differ, with a standard deviation of 0.1: t is 0.2 / (0.1 / sqrt(3)), whose square is 12, with 2 degrees.
    assert row["p"] == pytest.approx(1 - np.sqrt(12 / (2 + 12)), abs=1e-6)


def test_a_row_of_another_program_that_stands_first_leaves_the_bold_to_the_best(tmp_path):
    """The method leads by 0.2 or more in each of five patients, under each of its three seeds."""
    scores = [entry("nnunet", five_cases(tmp_path / "n.tsv", 0.5)) | {"is_external": True}]
    for name, lowest in {"source_only": 0.3, "dar_uda": 0.7}.items():
        dices = [lowest + place / 100 for place in range(5)]
        scores += [entry(name, five_cases(tmp_path / f"{name}-{seed}.tsv", *dices), seed) for seed in range(3)]
    write_summary(scores, [], ["liver"], {}, [], CHOICES, tmp_path / "summary.tsv")
    rows = read_summary(tmp_path / "summary.tsv").query("structure == 'mean'").set_index("method")
    assert rows["dice_best"].to_dict() == {"nnunet": 0, "source_only": 0, "dar_uda": 1}


@pytest.mark.parametrize(("ceilings", "best"), [([], [0, 0, 1]), (["upper"], [0, 1, None])])
def test_a_ceiling_of_another_program_takes_no_bold(tmp_path, ceilings, best):
    """All three differ by 0.1 or more in each of five patients; the ceiling leads."""
    dices = {"source_only": (0.5, 0.51, 0.52, 0.53, 0.54), "dar_uda": (0.7, 0.72, 0.7, 0.73, 0.74), "upper": (0.9,)}
    scores = [entry(name, five_cases(tmp_path / f"{name}.tsv", *dice)) for name, dice in dices.items()]
    write_summary(scores, [], ["liver"], {}, ceilings, CHOICES, tmp_path / "summary.tsv")
    found = read_summary(tmp_path / "summary.tsv").query("structure == 'mean'")["dice_best"]
    assert [None if pd.isna(one) else one for one in found] == best


def test_with_several_seeds_masks_are_those_of_one_training_and_the_same_under_each(tmp_path):
    """Five cases: the other program 0.5 in each; the method 0.6 under one seed and 0.8 under the other."""
    scores = [
        entry("dar_uda", five_cases(tmp_path / "0.tsv", 0.6), 0),
        entry("dar_uda", five_cases(tmp_path / "1.tsv", 0.8), 1),
        entry("nnunet", five_cases(tmp_path / "n.tsv", 0.5, 0.5, 0.5, 0.5, 0.5), 0) | {"is_external": True},
    ]
    (tmp_path / "missing.tsv").write_text("case\n")
    tabulate(
        scores=scores,
        unavailable=[],
        structures=["liver"],
        bounds={"nnunet": ["dar_uda", "none"]},
        ceilings=[],
        reference="dar_uda",
        choices=CHOICES,
        table=tmp_path / "summary.tsv",
        differences=tmp_path / "differences.tsv",
        missing=[entry("nnunet", tmp_path / "missing.tsv")],
        metrics=["dice"],
        tta_inconsistency=[],
        notes={},
        usage={},
        stamp="stamp",
        pages=[tmp_path / "summary.md"],
    )
    summary = pd.read_csv(tmp_path / "summary.tsv", sep="\t").query("structure == 'mean'").set_index("method")
    assert list(summary["seeds"]) == [2, 1] and list(summary["references"]) == [10, 5]
    assert summary.loc["nnunet", "dice_by_seed"] == "0.500000" and np.isnan(summary.loc["dar_uda", "missing"])
    assert summary.loc["nnunet", "above_floor"] == pytest.approx(-0.2)
    assert list(summary["dice_best"]) == [1, 1], "compared under both seeds, between which the method differs more"
    differences = pd.read_csv(tmp_path / "differences.tsv", sep="\t").query("structure == 'mean' and metric == 'dice'")
    row = differences.iloc[0]
    # Cases do not differ; seeds do, by 0.2: the standard error of the mean is 0.1, with one degree of freedom.
    assert (row["method"], row["seeds"], row["n"]) == ("nnunet", 2, 5)
    assert row["difference"] == pytest.approx(-0.2)
    assert row["p"] == pytest.approx(1 - 2 / np.pi * np.arctan(2), abs=1e-6)
    assert row["high"] == pytest.approx(-0.2 + 12.7062 * 0.1, abs=1e-3)
