"""The statistics of a table: one row per direction, method and structure, from the metrics of all cases and seeds.

Tables, pages and report show these numbers and compute none. A statistic is a column here, and is shown by
`score_rows`; intervals are in `bootstrap`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.evaluation.bootstrap import bootstrap_interval
from dar_uda.evaluation.case_means import mean_over_seeds, ordered_methods, read_cases
from dar_uda.jobs.files import write_beside

COLUMNS = [
    *("direction", "method", "structure", "n", "missed"),
    *("dice_mean", "dice_ci_low", "dice_ci_high"),
    *("asd_mean", "asd_ci_low", "asd_ci_high"),
    "gap_closed",
]
BOUNDS = ("source_only", "supervised")
"""Between them lies the gap that a method may close."""
MEAN = "mean"
COUNTS = {"missed": "Int64"}
"""Whole numbers, of which some may be empty."""


def write_summary(
    metrics: Sequence[dict],
    unavailable: Sequence[dict],
    structures: list[str],
    bounds: Mapping[str, Sequence[str]],
    choices: Mapping[str, str],
    table: str | Path,
) -> None:
    """Write the statistics of methods and directions as a table to compute with.

    Args:
        metrics, unavailable, structures, bounds: See `summarize`.
        choices: What every row says of the run, by column: protocol and the choice of the weights.
        table: Output TSV with the columns `COLUMNS` and those of `choices`, six decimals.

    Raises:
        ValueError: A metrics file lacks a structure, or the seeds of a method have different cases.
    """
    summary = summarize(metrics, unavailable, structures, bounds).assign(**choices)
    with write_beside(table) as partial:
        summary.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def read_summary(table: str | Path) -> pd.DataFrame:
    """Return a table of `write_summary`, empty cells as NaN."""
    types = {"method": str, "structure": str, **COUNTS}
    return pd.read_csv(table, sep="\t", dtype=types, keep_default_na=False, na_values=[""])


def summarize(
    metrics: Sequence[dict],
    unavailable: Sequence[dict],
    structures: list[str],
    bounds: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Return the statistics of methods and directions, columns `COLUMNS`.

    The unit is the case: with several seeds, a case's Dice (and ASD) is first averaged over the seeds in
    which it has one. Per method there is one row per structure and a row `mean`, the mean of those rows.

    - `n`: cases that count, that is, are not absent (both masks empty) in every seed; in the row `mean`,
      cases that count for any structure.
    - `missed`: (case, seed) pairs where exactly one mask is empty; in the row `mean`, their sum.
    - `*_ci_*`: 95 % percentile bootstrap over the cases and the seeds, see `bootstrap_interval`; empty for fewer than
      two cases.
    - `asd_*`: mm, over what is not missed; in the row `mean`, over the structures that have one.
    - `gap_closed`: (method - floor) / (ceiling - floor) on `dice_mean`, 1 = all of it, between the method's `bounds`;
      empty where one of the two is unavailable or the ceiling is not higher.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run; their rows have n = 0.
        structures: Names, in the order of the rows.
        bounds: Floor and ceiling of the gap of a method other than `BOUNDS`, by method.
    """
    rows = []
    for direction, method in ordered_methods([*metrics, *unavailable]):
        paths = [m["path"] for m in metrics if (m["direction"], m["method"]) == (direction, method)]
        rows += _method_rows(direction, method, paths, structures)
    return _with_gap_closed(pd.DataFrame(rows, columns=COLUMNS), bounds).astype(COUNTS)


def _method_rows(direction: str, method: str, paths: list[str | Path], structures: list[str]) -> list[tuple]:
    """Return one row per structure and the row `mean`, without the gap; n = 0 and no values without files."""
    names = [*structures, MEAN]
    if not paths:
        return [(direction, method, name, 0, pd.NA, *[np.nan] * 7) for name in names]
    dice, asd, missed = read_cases(paths, structures)
    rows = []
    for index, name in enumerate(names):
        chosen = slice(None) if name == MEAN else slice(index, index + 1)
        n = int(np.isfinite(dice[:, :, chosen]).any(axis=(0, 2)).sum())
        dices, asds = _mean_and_interval(dice[:, :, chosen]), _mean_and_interval(asd[:, :, chosen])
        rows.append((direction, method, name, n, int(missed[:, chosen].sum()), *dices, *asds, np.nan))
    return rows


def _mean_and_interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    # pandas skips NaN, and is silent where nothing is left
    mean = pd.DataFrame(mean_over_seeds(values)).mean(axis=0).mean()
    return float(mean), *bootstrap_interval(values)


def _with_gap_closed(summary: pd.DataFrame, bounds: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    dice = summary.set_index(["direction", "method", "structure"])["dice_mean"]
    gaps = []
    for row in summary.itertuples():
        low, high = (
            dice.get((row.direction, bound, row.structure), np.nan) for bound in bounds.get(row.method, BOUNDS)
        )
        gaps.append((row.dice_mean - low) / (high - low) if high > low else np.nan)
    return summary.assign(gap_closed=gaps)
