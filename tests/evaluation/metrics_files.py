"""Small files of `score_method` and of `predict_cases`' tta_inconsistency, and what the workflow says of them."""

import pandas as pd

from dar_uda.evaluation.overlap import relative_volume_difference
from dar_uda.evaluation.score import ABSENT, COLUMNS, FAILURE, FALSE_ALARM, FALSE_NEGATIVE, OK

CHOICES = {"protocol": "clean", "model_selection": "last"}
VOLUMES = {
    OK: (1.0, 1.0),
    FAILURE: (1.0, 1.0),
    FALSE_NEGATIVE: (1.0, 0.0),
    FALSE_ALARM: (0.0, 1.0),
    ABSENT: (0.0, 0.0),
}
"""Milliliters of the reference and of the prediction."""


def write_metrics(path, rows, patients=None):
    """Write rows `(case, structure, dice, asd, status)` as `score_method` does, with volumes, and other metrics empty.

    Args:
        patients: Of cases that are not their own, by case.
    """
    table = pd.DataFrame(rows, columns=["case", "structure", "dice", "asd_mm", "status"])
    volumes = pd.DataFrame([VOLUMES[status] for status in table["status"]], columns=["reference_ml", "predicted_ml"])
    rvd = [relative_volume_difference(predicted, reference) for reference, predicted in volumes.to_numpy()]
    table = table.join(volumes).assign(rvd=rvd, patient=table["case"].replace(patients or {})).reindex(columns=COLUMNS)
    table.to_csv(path, sep="\t", index=False)
    return path


def one_case(path, dice, structure="liver"):
    return write_metrics(path, [("007", structure, dice, 1.0, OK)])


def five_cases(path, *dices, structure="liver"):
    """Write five cases a to e, with one Dice for all or one each."""
    dices = dices * 5 if len(dices) == 1 else dices
    return write_metrics(path, [(case, structure, dice, 1.0, OK) for case, dice in zip("abcde", dices, strict=True)])


def entry(method, path, seed=0, direction="ct-to-mr"):
    """Return what the workflow says of a file."""
    return {"direction": direction, "method": method, "seed": seed, "path": path}


def tta_inconsistency(method, path, rows=(("007", "liver", 0.25),), seed=0, direction="ct-to-mr"):
    """Write rows `(case, structure, tta_inconsistency)` as `predict_cases` does; return their entry."""
    pd.DataFrame(rows, columns=["case", "structure", "tta_inconsistency"]).to_csv(path, sep="\t", index=False)
    return entry(method, path, seed, direction)
