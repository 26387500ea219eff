"""Whether adaptation helped in the run, as a bundle carries it to `predict` and to the model card."""

import json
import logging

import pandas as pd
import pytest

from dar_uda.bundle.card import model_card
from dar_uda.bundle.predict import predict_scans
from dar_uda.bundle.verdict import verdict_of
from dar_uda.evaluation.adaptation import COLUMNS
from tests.bundle.stub import StubSegmenter, write_scan

ROW = {"floor": "source_only", "patients": 12, "gain": 0.35, "low": 0.25, "high": 0.45, "interval": "95% t"}
HELPED = ROW | {"verdict": "helped"}
ALONE = ROW | {"patients": 1, "low": None, "high": None, "interval": "", "verdict": "undecided"}
SAID = (
    "In the run of this bundle (test patients: 12), `dar_uda`: without labels, adaptation helped over `source_only`: "
    "expected Dice +0.350 [+0.250, +0.450] (95% t)."
)


def write_table(run, *rows):
    """Write `tables/adaptation.tsv` as a run does: direction, method and the other columns."""
    table = pd.DataFrame([{"direction": one, "method": two, **row} for one, two, row in rows], columns=COLUMNS)
    (run / "tables").mkdir(parents=True)
    table.assign(task="abdomen").to_csv(run / "tables" / "adaptation.tsv", sep="\t", index=False)


@pytest.mark.parametrize("row", [HELPED, ALONE])
def test_a_bundle_carries_the_row_of_its_method_and_direction(tmp_path, row):
    harmed = ROW | {"verdict": "harmed"}
    write_table(tmp_path, ("mr-to-ct", "m", harmed), ("ct-to-mr", "other", harmed), ("ct-to-mr", "m", row))
    verdict = verdict_of(tmp_path, "ct-to-mr", "m")
    assert verdict == row == json.loads(json.dumps(verdict))
    assert verdict_of(tmp_path, "ct-to-mr", "source_only") is None


def test_a_run_without_the_table_has_no_verdict(tmp_path):
    assert verdict_of(tmp_path, "ct-to-mr", "m") is None


def test_predict_ends_with_the_verdict_where_the_bundle_carries_one(tmp_path, caplog):
    scan, segmenter = write_scan(tmp_path / "a.nii.gz"), StubSegmenter(tmp_path / "bundle")
    with caplog.at_level(logging.INFO):
        predict_scans(segmenter, [scan], tmp_path / "out", average=False)
        assert not [message for message in caplog.messages if "adaptation" in message]
        segmenter.facts |= {"method": "dar_uda", "adaptation": HELPED}
        predict_scans(segmenter, [scan], tmp_path / "out", average=False)
    assert caplog.messages[-1] == f"{SAID} These scans have no verdict of their own."


@pytest.mark.parametrize(("verdict", "said"), [(HELPED, True), (None, False)])
def test_the_model_card_says_it(tmp_path, verdict, said):
    facts = {
        **{"method": "dar_uda", "direction": "ct-to-mr", "task": "abdomen", "domain": "mr", "structures": ["liver"]},
        **{"run": {"name": "r", "seed": 0, "budget": None, "generated": False}, "license": "none"},
        "adaptation": verdict,
    }
    assert (SAID in model_card(facts, tmp_path / "metrics.tsv").splitlines()) == said
