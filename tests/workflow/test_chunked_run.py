"""Many test cases: several jobs predict and score them, and all stands where one job would have put it."""

import json
import re
import shutil

import pytest
from tiny_run import CONFIG, Run

from dar_uda.bundle.export import export_bundle
from dar_uda.data.phantom import make_phantom
from dar_uda.evaluation.score import read_metrics
from dar_uda.viewer.catalog import read_catalog

pytestmark = pytest.mark.slow
MASKS = "results/phantom/seed-0/predictions/ct-to-mr/source_only"
METRICS = "results/phantom/seed-0/metrics/ct-to-mr/source_only.tsv"
CALIBRATION = "results/phantom/seed-0/calibration/ct-to-mr/source_only.tsv"
CONFIG_OF_BOTH = ("--config", "methods=source_only", "cases=cases.tsv")
WHOLE = (*CONFIG_OF_BOTH, "inference={save_probabilities: true}")
CHUNKED = (*CONFIG_OF_BOTH, "inference={save_probabilities: true, chunk_size: 3}")
"""Of mr1 to mr5 only mr4 has a digest that divides by 3: two chunks, mr1 to mr3 and mr4 with mr5."""


PATIENTS = {"mr1": "P 1", "mr2": 'the "2nd"', "mr4": "P 1"}


def row(folder, domain, number, split):
    """Write a case of the phantom as a user's files; return its row of the table, with the patient if it has one."""
    image, label = (f"{domain}{number}_{what}.nii.gz" for what in ("image", "label"))
    make_phantom(domain, number, folder / image, folder / label)
    case = f"{domain}{number}"
    return f"{case}\t{domain}\t{image}\t{label}\t{split}\t{PATIENTS.get(case, '')}\n"


@pytest.fixture(scope="module")
def chunked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chunked")
    (folder / "tiny.yaml").write_text(CONFIG)
    cases = [("ct", 0, "train"), ("ct", 1, "train"), ("mr", 0, "train"), *(("mr", n, "test") for n in range(1, 6))]
    rows = [row(folder, *case) for case in cases]
    (folder / "cases.tsv").write_text("case\tdomain\timage\tlabel\tsplit\tpatient\n" + "".join(rows))
    status, text = Run(folder)(*CHUNKED, "--", MASKS, METRICS, CALIBRATION)
    assert status == 0, text
    return Run(folder)


def made_of(run):
    masks = sorted((run.folder / MASKS).rglob("*.nii.gz"))
    tables = [run.folder / METRICS, run.folder / CALIBRATION]
    return {str(file.relative_to(run.folder)): file.read_bytes() for file in (*masks, *tables)}


def test_chunks_give_the_masks_probabilities_and_tables_of_one_job_at_the_same_paths(chunked, tmp_path):
    shutil.copytree(chunked.folder, tmp_path / "whole", symlinks=True)
    whole, before = Run(tmp_path / "whole"), made_of(chunked)
    masks = [f"{MASKS}/{folder}mr{number}.nii.gz" for folder in ("", "probabilities/") for number in range(1, 6)]
    assert list(before) == [*masks, METRICS, CALIBRATION]
    shutil.rmtree(whole.result("seed-0/chunks"))
    status, text = whole(*WHOLE, "--", MASKS, METRICS, CALIBRATION)
    assert status == 0 and "rule predict_cases:" in text and "rule predict_chunk:" not in text, text
    assert made_of(whole) == before


def test_scores_of_chunks_name_the_patient_of_each_case(chunked):
    table = read_metrics(chunked.folder / METRICS)
    expected = {"mr1": "P 1", "mr2": 'the "2nd"', "mr3": "mr3", "mr4": "P 1", "mr5": "mr5"}
    assert dict(zip(table["case"], table["patient"], strict=True)) == expected


def test_an_added_case_leaves_the_other_chunks_as_they_are(chunked, tmp_path):
    shutil.copytree(chunked.folder, tmp_path / "more", symlinks=True)
    more = Run(tmp_path / "more")
    assert more.plan(*CHUNKED, "--", MASKS, METRICS) == set()
    head, *rows = (more.folder / "cases.tsv").read_text().splitlines(keepends=True)
    added = row(more.folder, "mr", 9, "test")
    (more.folder / "cases.tsv").write_text("".join([head, added, *rows]))
    status, text = more("-n", *CHUNKED, "--", MASKS, METRICS)
    assert status == 0, text
    changed = re.findall(r"rule (\w+_chunk):.*?chunk=(\w+)", text, re.DOTALL)
    assert sorted(changed) == [("predict_chunk", "mr9"), ("score_chunk", "mr9")]  # now mr9, mr1, mr2, mr3
    assert "rule train_segmenter:" not in text and text.count("rule preprocess_case:") == 1


def test_another_patient_scores_the_cases_chunk_again_and_trains_nothing(chunked, tmp_path):
    shutil.copytree(chunked.folder, tmp_path / "renamed", symlinks=True)
    renamed = Run(tmp_path / "renamed")
    table = (renamed.folder / "cases.tsv").read_text()
    (renamed.folder / "cases.tsv").write_text(table.removesuffix("\n") + "P 1\n")  # of mr5, the last
    status, text = renamed("-n", *CHUNKED, "--", MASKS, METRICS)
    assert status == 0, text
    assert set(re.findall(r"rule (\w+):", text)) == {"score_chunk", "gather_scores"}
    assert re.findall(r"rule score_chunk:.*?chunk=(\w+)", text, re.DOTALL) == ["mr4"]


def test_a_bundle_and_the_viewer_find_what_they_need(chunked, tmp_path):
    export_bundle(chunked.folder / MASKS, tmp_path / "bundle", "CC0")
    origin = json.loads((tmp_path / "bundle" / "provenance.json").read_text())["masks"]
    assert origin["rule"] == "predict_chunk" and "mr1" not in json.dumps(origin)
    page = read_catalog(chunked.folder / "results" / "phantom").page
    assert [case["case"] for case in page["cases"]] == [f"mr{number}" for number in range(1, 6)]
    assert all(case["reference"] is not None and case["predictions"][0]["dice"] for case in page["cases"])
