"""How much the masks of every test case change with the image: as numbers, and as a table to read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.cells import SCORE, Cell, Table
from dar_uda.jobs.files import write_beside

KEYS = ["direction", "method", "case", "structure"]


def tabulate_tta_inconsistency(
    tta_inconsistency: Sequence[dict], choices: Mapping[str, str], table: str | Path
) -> None:
    """Write `direction method case structure tta_inconsistency`: means over the seeds, all test cases, labeled or not.

    Args:
        tta_inconsistency: See `read_tta_inconsistency`.
        choices: What every row says of the run, by column: protocol and the choice of the weights.
        table: Output TSV, four decimals.
    """
    with write_beside(table) as partial:
        read_tta_inconsistency(tta_inconsistency).assign(**choices).to_csv(
            partial, sep="\t", index=False, float_format="%.4f"
        )


def read_tta_inconsistency(tta_inconsistency: Sequence[dict]) -> pd.DataFrame:
    """Return `direction method case structure tta_inconsistency`, means over the files of a method (one per seed).

    Args:
        tta_inconsistency: One `{"direction", "method", "seed", "path"}` per table of `predict_cases`.
    """
    text = dict.fromkeys(["case", "structure"], str)
    tables = [
        pd.read_csv(entry["path"], sep="\t", dtype=text, keep_default_na=False, na_values={"tta_inconsistency": [""]})
        .astype({"tta_inconsistency": float})
        .assign(direction=entry["direction"], method=entry["method"])
        for entry in tta_inconsistency
    ]
    pooled = pd.concat(tables) if tables else pd.DataFrame(columns=[*KEYS, "tta_inconsistency"])
    return pooled.groupby(KEYS, sort=False)["tta_inconsistency"].mean().reset_index()


def tta_inconsistency_table(tta_inconsistency: pd.DataFrame, title: str) -> Table:
    """Return one row per case, a column per method: the mean over the structures of one direction's rows."""
    methods, cases = (tta_inconsistency[name].unique() for name in ("method", "case"))
    means = tta_inconsistency.groupby(["case", "method"])["tta_inconsistency"].mean()
    rows = [[Cell(case), *(Cell(means.get((case, method)), SCORE) for method in methods)] for case in cases]
    return Table(title, ["case", *methods], rows)
