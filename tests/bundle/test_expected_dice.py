"""`dar-uda predict` says which masks to look at first."""

import logging

import numpy as np
import pandas as pd
import pytest

from dar_uda.bundle.expected_dice import COLUMNS, FILE
from dar_uda.bundle.predict import predict_scans
from dar_uda.evaluation.confidence import with_expected_dice
from tests.bundle.stub import StubSegmenter, write_scan

RATIOS = {"a": 1.0, "b": 0.0, "c": 3.0, "d": 0.5}
"""Times the usual volume; at best Dice 1, 0, 1 / 2, 2 / 3."""


class Sizing(StubSegmenter):
    """Finds the organ of each scan in these volumes."""

    def predict_with_expected_dice(self, scan, *arguments):
        signals = {"tta_inconsistency": np.nan, "volume_ratio": RATIOS[scan.name[0]], "agreement": np.nan}
        rows = with_expected_dice(pd.DataFrame({"structure": ["organ"], **signals}))
        return self.predict(scan, *arguments), rows


def test_the_least_sure_scans_come_first_and_scans_of_another_call_stay(tmp_path, caplog):
    scans = [write_scan(tmp_path / f"scans/{name}.nii.gz") for name in RATIOS]
    segmenter, out = Sizing(tmp_path / "bundle"), tmp_path / "out"
    with caplog.at_level(logging.INFO):
        predict_scans(segmenter, scans, out, average=False)
    table = pd.read_csv(out / FILE, sep="\t")
    assert list(table) == COLUMNS and list(table["image"]) == ["b", "c", "d", "a"]
    assert list(table["expected_dice"]) == pytest.approx([0, 0.42, 0.86 * 2 / 3 - 0.01, 0.85], abs=1e-4)
    said = [message for message in caplog.messages if message.startswith("Look at these first")]
    assert [line.partition(": ")[2] for line in said] == [
        "b, organ, expected Dice 0.00: not found",
        "c, organ, expected Dice 0.42: 3.00 times the usual volume",
        "d, organ, expected Dice 0.56: 0.50 times the usual volume",
    ]
    predict_scans(segmenter, scans[:1], out, average=False)
    assert list(pd.read_csv(out / FILE, sep="\t")["image"]) == ["b", "c", "d", "a"]


def test_a_table_of_another_program_is_not_written_over(tmp_path):
    scan, out = write_scan(tmp_path / "a.nii.gz"), tmp_path / "out"
    out.mkdir()
    (out / FILE).write_text("patient\tdice\np1\t1\n")
    with pytest.raises(ValueError, match="DAR-480: .*expected_dice.tsv: expected the columns image, structure"):
        predict_scans(Sizing(tmp_path / "bundle"), [scan], out, average=False)
    assert not (out / "a.nii.gz").exists()
