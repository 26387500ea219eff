"""The DAG for real, on a tiny phantom: what it makes, what re-runs, how it survives a kill."""

import hashlib
import json
import os
import re
import shutil
import signal
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_run import REPOSITORY

from dar_uda.cli.status import status_of
from dar_uda.evaluation import score

METRICS = ("dice", "asd", "hd95", "nsd", "asd_area", "rvd")
OF_METRIC = ("n", "values", "mean", "low", "high", "interval", "best", "sd", "median", "worst", "worst_case", "by_seed")
COLUMNS = [
    *("direction", "method", "structure", "n", "patients", "seeds"),
    *("references", "false_negatives", "failures", "absences", "false_alarms", "reference_ml", "predicted_ml"),
    *(f"{metric}_{name}" for metric in METRICS for name in OF_METRIC),
    *(
        "above_floor",
        "gap_closed",
        "gap_low",
        "gap_high",
        "task",
        "budget",
        "protocol",
        "model_selection",
        "transductive",
    ),
]
ALL_METHODS = ("--config", "methods=[source_only,average_style,dar_uda,supervised]")
AFTER_SEGMENTERS = {
    "train_segmenter",
    "label_target",
    "self_train_segmenter",
    "predict_cases",
    "score_method",
    "tabulate",
    "tabulate_tta_inconsistency",
    "measure_confidence",
    "tabulate_confidence",
    "draw_look_first",
    "draw_losses",
    "draw_overlays",
    "draw_boxes",
    "draw_differences",
    "draw_dice_against_asd",
    "draw_extremes",
    "write_report",
    "all",
}
AFTER_SYNTHESIS = AFTER_SEGMENTERS | {"draw_translations"}


def test_run_makes_the_table_that_the_contract_names_and_prints_it(finished):
    summary = pd.read_csv(finished.result("tables/summary.tsv"), sep="\t")
    assert list(summary.columns) == COLUMNS
    structures = ["liver", "right_kidney", "left_kidney", "spleen", "mean"]
    methods = ["source_only", "average_style", "dar_uda", "supervised"]
    assert list(zip(summary["method"], summary["structure"], strict=True)) == [
        (m, s) for m in methods for s in structures
    ]
    assert (summary["n"] == 1).all() and summary["dice_low"].isna().all()  # one test case: no interval
    assert finished.result("tables/summary.md").read_text().strip() in finished.printed


def test_all_cases_are_checked_before_anything_is_made_of_them(finished):
    rules = re.findall(r"^(?:local)?rule (\w+):", finished.printed, re.MULTILINE)
    assert rules[:2] == ["make_phantom", "check_cases"]


def test_metrics_have_one_row_per_case_and_structure(finished):
    metrics = pd.read_csv(finished.result("seed-0/metrics/ct-to-mr/dar_uda.tsv"), sep="\t")
    assert list(metrics.columns) == score.COLUMNS
    assert len(metrics) == 4 and set(metrics["status"]) <= {"ok", "failure", "false_negative", "absent"}


def test_prediction_has_the_input_grid(finished):
    image = nib.load(finished.result("data/mr/mr2_image.nii.gz"))
    mask = nib.load(finished.result("seed-0/predictions/ct-to-mr/dar_uda/mr2.nii.gz"))
    assert mask.shape == image.shape
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert (mask.header["qform_code"], mask.header["sform_code"]) == (
        image.header["qform_code"],
        image.header["sform_code"],
    )


def test_every_artifact_stands_where_the_house_says(finished):
    for path in (
        "cases/ct/ct0/image.nii",
        "cases/ct/ct0/label.nii",
        "slices/mr.npy",
        "slices/mr.tsv",
        "grid_ceiling/ct.tsv",
        "seed-0/translators/disentangled/weights.safetensors",
        "seed-0/translators/disentangled/history.tsv",
        "seed-0/translators/disentangled/previews.png",
        "seed-0/styles/ct-to-mr/disentangled-multi/styles.tsv",
        "seed-0/styles/ct-to-mr/disentangled-multi/styles.png",
        "seed-0/synthetic/ct-to-mr/disentangled-multi/ct1/style-1.nii",
        "seed-0/synthetic/ct-to-mr/disentangled-average/ct1/style-0.nii",
        "seed-0/segmenters/ct-to-mr.disentangled-multi/dar_unet/weights.safetensors",
        "seed-0/segmenters/ct-to-mr.disentangled-multi/dar_unet-self_training_1/weights.safetensors",
        "seed-0/segmenters/mr/dar_unet/history.tsv",
        "seed-0/confidence/ct-to-mr/dar_uda.tsv",
        "tables/confidence.tsv",
        "tables/adaptation.tsv",
        "figures/look_first-ct-to-mr.png",
        "figures/overlays-ct-to-mr.png",
        "figures/overlays-ct-to-mr.svg",
        "figures/extremes-ct-to-mr.svg",
        "figures/dice_asd-ct-to-mr.svg",
        "figures/differences-ct-to-mr.svg",
    ):
        assert finished.result(path).stat().st_size > 0, path
    assert list(finished.folder.rglob("checkpoints")) == [] and list(finished.folder.rglob(".partial-*")) == []


def test_the_report_shows_the_tables_numbers_every_figure_and_what_the_jobs_took(finished):
    text = finished.result("report.html").read_text(encoding="utf-8")
    summary = pd.read_csv(finished.result("tables/summary.tsv"), sep="\t")
    shown = {}
    for title in ("Scores", "Dice by structure"):
        table = text.partition(f'<table aria-label="{title}">')[2].partition("</table>")[0]
        for row in table.split("<tr>")[2:]:
            method = re.search(r">(\w+)</td>", row)[1]
            shown[method] = shown.get(method, "") + row
    for method, rows in summary.groupby("method"):
        for row in rows.itertuples():
            assert f">{row.dice_mean:.3f}<" in shown[method], (method, row.structure)
    assert text.count("<svg") == 10  # as in the next line, translations, two of styles
    kinds = {"dice", "differences", "dice_asd", "extremes", "look_first", "overlays", "losses"}
    assert set(re.findall(r'data-figure="(\w+)', text)) >= kinds
    assert "train_translator" in text and "CPU, " in text and f"torch {metadata.version('torch')}" in text
    assert "1, 1 of them with a label" in text  # the test cases
    assert finished.result("report.provenance.json").is_file()


def test_provenance_leads_from_the_table_back_to_the_scans(finished):
    """Every checksum of an input is that of another job's output, and of the file as it lies there."""
    results = finished.folder / "results"
    records = [json.loads(path.read_text()) for path in results.rglob("*.provenance.json")]
    made = {path: digest for record in records for path, digest in record["outputs"].items()}
    read = {path: digest for record in records for path, digest in record["inputs"].items()}
    assert read.pop("results/phantom/checks.txt")  # what check_cases writes has no provenance
    assert len(made) > 40 and read.items() <= made.items()  # the phantom's scans are made too
    for path, digest in made.items():
        if (file := finished.folder / path).is_file():
            assert hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() == digest
    beside = [path.name for path in results.rglob("*") if path.name.startswith(("weights.", "summary.", "dar_uda."))]
    assert beside.count("weights.provenance.json") == beside.count("weights.safetensors") > 3
    assert beside.count("summary.provenance.json") == 1
    assert beside.count("dar_uda.provenance.json") == 3  # of its masks, scores and confidence


def test_provenance_names_what_a_training_depended_on(finished):
    folder = finished.result("seed-0/segmenters/ct-to-mr.disentangled-multi/dar_unet")
    record = json.loads((folder / "weights.provenance.json").read_text())
    assert record["rule"] == "train_segmenter" and record["wildcards"]["network"] == "dar_unet"
    assert record["params"]["seed"] == 0 and record["params"]["segmentation"]["steps"] == 4
    assert len(record["params"]["code"]) == 16
    assert record["choices"]["precision"] == "float32" and record["choices"]["budget"] == "tiny"
    assert record["packages"]["torch"] == metadata.version("torch")
    assert record["device"].startswith("CPU") and record["threads"] == 1


def test_nothing_is_to_do_after_a_run(finished):
    status, text = finished("-n", *ALL_METHODS)
    assert status == 0 and "Nothing to be done" in text


def test_a_further_case_in_the_table_is_checked_and_segmented(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    with (folder / "config" / "phantom.tsv").open("a") as table:
        table.write("mr3\tmr\t../results/phantom/data/mr/mr3_image.nii.gz\t\ttest\n")
    planned = type(finished)(folder).plan(*ALL_METHODS)
    assert {"make_phantom", "check_cases", "preprocess_case", "predict_cases", "tabulate", "all"} <= planned


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selection", "stamp"),
    [("source_validation", "chosen without target labels"), ("target_oracle", "ORACLE")],
)
def test_weights_are_chosen_from_candidates_and_every_table_says_how(finished, tmp_path, selection, stamp):
    shutil.copytree(finished.folder, tmp_path / "run")
    run = type(finished)(tmp_path / "run")
    arguments = ("--config", "methods=[dar_uda]", f"model_selection={{rule: {selection}, candidates: 2}}")
    segmenters = "seed-0/segmenters/ct-to-mr.disentangled-multi"
    status, text = run(*arguments)
    assert status == 0, text
    table = pd.read_csv(run.result(f"{segmenters}/dar_unet-{selection}/model_selection.tsv"), sep="\t")
    assert list(table["step"]) == [3, 4] and table["selected"].sum() == 1
    step = table.loc[table["selected"], "step"].item()
    chosen = run.result(f"{segmenters}/dar_unet-{selection}/weights.safetensors").read_bytes()
    assert chosen == run.result(f"{segmenters}/dar_unet-candidates/weights/step-{step:07d}.safetensors").read_bytes()
    assert run.result(f"{segmenters}/dar_unet-{selection}-self_training_1/weights.safetensors").is_file()
    for suffix in ("md", "tex", "html"):
        assert stamp in run.result(f"tables/summary.{suffix}").read_text()
    for path in ("tables/summary.md", "report.html"):
        assert "model_selection.candidates 2." in run.result(path).read_text(encoding="utf-8")
        assert "Changed:" not in finished.result(path).read_text(encoding="utf-8")
    record = json.loads(run.result(f"{segmenters}/dar_unet-{selection}/weights.provenance.json").read_text())
    of_target = {path for path in record["inputs"] if "/mr" in path.split("cases")[-1]}
    assert (
        of_target
        == {
            "source_validation": {f"results/phantom/cases/mr/{case}/image.nii" for case in ("mr0", "mr1")},
            "target_oracle": {f"results/phantom/cases/mr/mr2/{name}.nii" for name in ("image", "label")},
        }[selection]
    )


def test_focal_weight_reruns_segmenters_and_what_follows(finished):
    assert finished.plan(*ALL_METHODS, "segmentation={focal_weight: 5}") == AFTER_SEGMENTERS


def test_tensorboard_switched_on_reruns_nothing(finished):
    assert finished.plan(*ALL_METHODS, "tensorboard=true") == set()


def test_forced_synthesis_reruns_from_there(finished):
    planned = finished.plan("-R", "synthesize_volume", *ALL_METHODS)
    assert planned == AFTER_SYNTHESIS | {"synthesize_volume"}


def test_an_edited_network_module_reruns_what_imports_it(finished, tmp_path):
    """The same results seen by an edited copy of the sources; the copy without an edit has nothing to do."""
    sources = tmp_path / "sources"
    ignored = shutil.ignore_patterns(".venv", ".git", "results", ".snakemake", "__pycache__", "tests")
    shutil.copytree(REPOSITORY, sources, ignore=ignored)
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    run = type(finished)(folder, sources)
    assert run.plan(*ALL_METHODS) == set()
    norms = sources / "dar_uda" / "segmentation" / "normalization.py"
    norms.write_text(norms.read_text().replace("SLOPE = 0.01", "SLOPE = 0.02"))
    assert run.plan(*ALL_METHODS) == AFTER_SEGMENTERS
    norms.write_text(norms.read_text().replace("SLOPE = 0.02", "SLOPE = 0.01  # as it was"))
    assert run.plan(*ALL_METHODS) == set()
    networks = sources / "dar_uda" / "translation" / "networks.py"
    networks.write_text(networks.read_text().replace("SLOPE = 0.2", "SLOPE = 0.3"))
    planned = run.plan(*ALL_METHODS)
    assert {"train_translator", "encode_styles", "synthesize_volume", "train_segmenter"} <= planned
    assert not {"preprocess_case", "preprocess_label", "extract_slices", "make_phantom"} & planned


TRAININGS = {
    "train_translator": "seed-0/translators/disentangled",
    "train_segmenter": "seed-0/segmenters/ct/dar_unet",
}
LONG = {"train_translator": "translation={steps: 20}", "train_segmenter": "segmentation={steps: 20}"}


@pytest.mark.parametrize("rule", ["train_segmenter", pytest.param("train_translator", marks=pytest.mark.slow)])
def test_kill_in_the_middle_of_a_training_resumes_to_identical_weights(finished, tmp_path, rule):
    """kill -9 of the training's process; the same command continues from the checkpoint, bit for bit."""
    runs = {}
    for name in ("whole", "killed"):
        runs[name] = type(finished)(shutil.copytree(finished.folder, tmp_path / name))
    weights = f"results/phantom/{TRAININGS[rule]}/weights.safetensors"
    arguments = (weights, "--config", LONG[rule])
    status, text = runs["whole"](*arguments)
    assert status == 0, text

    job = runs["killed"].start(*arguments)
    checkpoint = runs["killed"].folder / TRAININGS[rule].join(["results/phantom/", "/checkpoints/latest.pt"])
    wait_for(checkpoint, job)
    assert ", 1 running, 0 failed, 0 stopped" in status_of(runs["killed"].folder / "results" / "phantom")
    os.kill(training_process(job.pid), signal.SIGKILL)
    text, _ = job.communicate()
    told = status_of(runs["killed"].folder / "results" / "phantom")
    assert ", 0 running, 0 failed, 1 stopped" in told and f"stopped:\n  {rule} " in told
    assert f"  {TRAININGS[rule]}: step " in told
    assert job.returncode != 0, text
    assert checkpoint.exists() and not (runs["killed"].folder / weights).exists()

    job = runs["killed"].start(*arguments)  # its jobs are processes of their own, those of the whole run forks
    text, _ = job.communicate()
    assert job.returncode == 0, text
    assert "resumed from the checkpoint at step" in text
    assert (runs["killed"].folder / weights).read_bytes() == (runs["whole"].folder / weights).read_bytes()


def wait_for(path, job, seconds=300):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline and job.poll() is None, job.communicate()[0]
        time.sleep(0.02)


def training_process(snakemake_pid):
    """Return the process of the script that Snakemake runs: its youngest descendant."""
    children = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = status.read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(status.parent.name))
    family, waiting = [], [snakemake_pid]
    while waiting:
        found = children.get(waiting.pop(), [])
        family += found
        waiting += found
    return max(family)
