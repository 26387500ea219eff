"""What a method reaches in every case, over the structures and the seeds."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.score import read_metrics


def read_case_means(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Return `dice`, `asd_mm` and `missed` by case.

    Dice and ASD are means over the structures, each first averaged over the seeds that have a value; NaN where there
    is none. Missed counts structures and seeds.

    Args:
        paths: One method's files of `score_method`, one per seed.
    """
    rows = pd.concat(map(read_metrics, paths))
    means = (
        rows.groupby(["case", "structure"], sort=False)[["dice", "asd_mm"]].mean().groupby("case", sort=False).mean()
    )
    return means.assign(missed=(rows["status"] == "missed").groupby(rows["case"]).sum())
