"""A finished run with masks that another program made: scored, drawn and shown beside its own methods'."""

import re
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_run import CONFIG

from dar_uda.cli.command import main
from dar_uda.plan.config import read_config
from dar_uda.viewer.catalog import read_catalog
from tests.workflow.preloaded import REPOSITORY

EXTERNAL = """
external:
  perfect: "mine/masks/{case}.nii.gz"
  two_organs: {masks: "mine/two/{direction}_{case}.nii.gz", labels: {liver: 5, spleen: 1}, directions: [ct-to-mr]}
methods: [source_only]
"""
"""The files of both name test cases of MR alone."""
AFTER_MASKS = {
    "read_external_masks",
    "score_external_masks",
    "tabulate",
    "draw_overlays",
    "draw_boxes",
    "draw_differences",
    "draw_dice_against_asd",
    "draw_extremes",
    "write_report",
    "all",
}


def write_two_organs(label, path):
    """Write liver as 5, spleen as 1 and the kidneys as 7, which no structure has."""
    structures = read_config(REPOSITORY, {"task": "phantom"}).task.domains["mr"].label_values
    file = nib.load(label)
    mask = np.zeros(file.shape, np.uint8)
    for values, value in zip(structures, (5, 7, 7, 1), strict=True):
        mask[np.isin(np.asarray(file.dataobj), values)] = value
    nib.save(nib.Nifti1Image(mask, file.affine), path)


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    """A copy of the finished run with another test case of the user's, whose mask is missing."""
    folder = shutil.copytree(finished.folder, tmp_path_factory.mktemp("external"), dirs_exist_ok=True)
    run, mine = type(finished)(folder), folder / "mine"
    (mine / "masks").mkdir(parents=True)
    (mine / "two").mkdir()
    image, label = (run.result(f"data/mr/mr2_{what}.nii.gz") for what in ("image", "label"))
    brighter = nib.load(image)
    nib.save(nib.Nifti1Image(np.asarray(brighter.dataobj) + 1, brighter.affine), mine / "mr9_image.nii.gz")
    shutil.copy(label, mine / "mr9_label.nii.gz")
    shutil.copy(label, mine / "masks" / "mr2.nii.gz")
    for case in ("mr2", "mr9"):
        write_two_organs(label, mine / "two" / f"ct-to-mr_{case}.nii.gz")
    with (folder / "config" / "phantom.tsv").open("a") as table:
        table.write("mr9\tmr\t../mine/mr9_image.nii.gz\t../mine/mr9_label.nii.gz\ttest\n")
    (folder / "tiny.yaml").write_text(CONFIG + EXTERNAL)
    for method in ("average_style", "dar_uda", "supervised"):  # whose masks lack the new case
        run.result(f"seed-0/predictions/ct-to-mr/{method}.provenance.json").unlink()
    run.planned = run.plan()
    status, run.printed = run()
    assert status == 0, run.printed
    return run


def test_a_dry_run_shows_the_jobs_and_nothing_is_trained(run):
    assert run.planned >= AFTER_MASKS | {"predict_cases", "score_method", "preprocess_case"}
    assert not any(rule.startswith(("train_", "self_train")) for rule in run.planned)


def test_the_row_of_perfect_masks_has_half_the_dice_with_one_of_two_cases_missing(run):
    summary = pd.read_csv(run.result("tables/summary.tsv"), sep="\t").query("structure == 'mean'").set_index("method")
    assert list(summary.index) == ["source_only", "perfect", "two_organs"]
    row = summary.loc["perfect"]
    assert (row["n"], row["seeds"], row["dice_mean"], row["asd_mean"]) == (2, 1, 0.5, 0.0)
    assert (row["missing"], row["missing_cases"]) == (1, "mr9") and pd.isna(summary.loc["source_only", "missing"])
    page = run.result("tables/summary.md").read_text()
    assert re.search(r"\| method +\| n \| seeds \| missing \|", page)
    assert re.search(r"\| perfect +\| 2 +\| +1 +\| +1 +\| +0.500", page)
    assert "- `perfect`: no mask of mr9, which counts as an empty mask" in page
    assert "DAR-359" in run.result("logs/read_external_masks/ct-to-mr-perfect-0.log").read_text()


def test_a_row_with_labels_and_directions_has_the_structures_that_it_names(run):
    """Its two masks are the references of liver and spleen; the kidneys are in none: (1 + 0 + 0 + 1) / 4."""
    summary = pd.read_csv(run.result("tables/summary.tsv"), sep="\t").query("method == 'two_organs'")
    dice = summary.set_index("structure")["dice_mean"]
    assert dice.to_dict() == {"liver": 1.0, "right_kidney": 0.0, "left_kidney": 0.0, "spleen": 1.0, "mean": 0.5}
    assert set(summary["missing"]) == {0}
    said = "right_kidney, left_kidney are not in its labels, with Dice 0"
    assert f"- `two_organs`: {said}" in run.result("tables/summary.md").read_text()
    assert said in run.result("report.html").read_text()


def test_report_figures_and_viewer_show_the_row(run):
    report = run.result("report.html").read_text()
    assert "<dt>perfect</dt><dd>Masks of another program, read from files.</dd>" in report
    assert "perfect: no mask of mr9, which counts as an empty mask with Dice 0; distances and" in report
    for figure in ("overlays", "dice", "extremes", "dice_asd", "differences"):
        assert "perfect" in run.result(f"figures/{figure}-ct-to-mr.svg").read_text(), figure
    cases = {case["case"]: case["predictions"] for case in read_catalog(run.result(".")).page["cases"]}
    dice = {case: {one["method"]: one["dice"] for one in shown} for case, shown in cases.items()}
    assert dice["mr2"]["perfect"] == dict.fromkeys(["liver", "right_kidney", "left_kidney", "spleen"], 1.0)
    assert set(dice["mr9"]["perfect"].values()) == {0.0}


def test_masks_of_another_program_cannot_be_exported(run, tmp_path, capsys):
    predictions = run.result("seed-0/predictions/ct-to-mr/perfect")
    assert main(["export", str(predictions), "-o", str(tmp_path / "bundle"), "--license", "CC0"]) == 1
    assert "DAR-327" in capsys.readouterr().err and not (tmp_path / "bundle").exists()


def test_a_changed_or_an_added_mask_is_read_and_scored_again_and_nothing_is_predicted(run):
    assert run.plan() == set()
    changed = run.folder / "mine" / "masks" / "mr2.nii.gz"
    content = changed.read_bytes()
    nib.save(nib.Nifti1Image(np.zeros_like(nib.load(changed).dataobj), nib.load(changed).affine), changed)
    assert run.plan() == AFTER_MASKS
    changed.write_bytes(content)
    assert run.plan() == set(), "the same content has its version again"
    shutil.copy(changed, changed.with_name("mr9.nii.gz"))
    assert run.plan() == AFTER_MASKS
    changed.with_name("mr9.nii.gz").unlink()


def test_another_program_has_no_calibration(run):
    """The target is an error of Snakemake, which knows no rule for it."""
    status, text = run("-n", "results/phantom/seed-0/calibration/ct-to-mr/perfect.tsv")
    assert status != 0 and "MissingRuleException" in text
