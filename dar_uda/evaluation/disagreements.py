"""How much the masks of every test case change with the image: as numbers, and as a table to read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.cells import SCORE, Cell, Table
from dar_uda.jobs.files import write_beside

KEYS = ["direction", "method", "case", "structure"]


def tabulate_disagreements(disagreements: Sequence[dict], choices: Mapping[str, str], table: str | Path) -> None:
    """Write `direction method case structure disagreement`: means over the seeds, all test cases, labelled or not.

    Args:
        disagreements: See `read_disagreements`.
        choices: What every row says of the run, by column: protocol and the choice of the weights.
        table: Output TSV, four decimals.
    """
    with write_beside(table) as partial:
        read_disagreements(disagreements).assign(**choices).to_csv(partial, sep="\t", index=False, float_format="%.4f")


def read_disagreements(disagreements: Sequence[dict]) -> pd.DataFrame:
    """Return `direction method case structure disagreement`, means over the files of a method (one per seed).

    Args:
        disagreements: One `{"direction", "method", "seed", "path"}` per table of disagreements of `predict_cases`.
    """
    text = dict.fromkeys(["case", "structure"], str)
    tables = [
        pd.read_csv(entry["path"], sep="\t", dtype=text, keep_default_na=False, na_values={"disagreement": [""]})
        .astype({"disagreement": float})
        .assign(direction=entry["direction"], method=entry["method"])
        for entry in disagreements
    ]
    pooled = pd.concat(tables) if tables else pd.DataFrame(columns=[*KEYS, "disagreement"])
    return pooled.groupby(KEYS, sort=False)["disagreement"].mean().reset_index()


def disagreement_table(disagreements: pd.DataFrame, title: str) -> Table:
    """Return one row per case, a column per method: the mean over the structures of one direction's rows."""
    methods, cases = (disagreements[name].unique() for name in ("method", "case"))
    means = disagreements.groupby(["case", "method"])["disagreement"].mean()
    rows = [[Cell(case), *(Cell(means.get((case, method)), SCORE) for method in methods)] for case in cases]
    return Table(title, ["case", *methods], rows)
