"""Small files of `score_method` and of `predict_cases`' tta_inconsistency, and what the workflow says of them."""

import pandas as pd

from dar_uda.evaluation.score import COLUMNS

CHOICES = {"protocol": "clean", "model_selection": "last"}
OK, MISSED, ABSENT = "ok", "missed", "absent"


def write_metrics(path, rows):
    """Write rows `(case, structure, dice, asd, status)` as `score_method` does; all other columns are empty."""
    table = pd.DataFrame(rows, columns=["case", "structure", "dice", "asd_mm", "status"])
    table.reindex(columns=COLUMNS).to_csv(path, sep="\t", index=False)
    return path


def one_case(path, dice, structure="liver"):
    return write_metrics(path, [("007", structure, dice, 1.0, OK)])


def entry(method, path, seed=0, direction="ct-to-mr"):
    """Return what the workflow says of a file."""
    return {"direction": direction, "method": method, "seed": seed, "path": path}


def tta_inconsistency(method, path, rows=(("007", "liver", 0.25),), seed=0, direction="ct-to-mr"):
    """Write rows `(case, structure, tta_inconsistency)` as `predict_cases` does; return their entry."""
    pd.DataFrame(rows, columns=["case", "structure", "tta_inconsistency"]).to_csv(path, sep="\t", index=False)
    return entry(method, path, seed, direction)
