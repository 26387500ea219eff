"""The statistics of a table: one row per direction, method and structure, from the metrics of all cases and seeds.

Tables, pages and report show these numbers and compute none. A statistic is a column here, and is shown by
`score_rows`; intervals are in `intervals`, the gap is in `gap`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.evaluation.case_means import Cases, finite_mean, ordered_methods, read_cases
from dar_uda.evaluation.gap import gap_closed
from dar_uda.evaluation.intervals import LOG, LOGIT, Scale, mean_interval
from dar_uda.jobs.files import write_beside

COLUMNS = [
    *("direction", "method", "structure", "n", "seeds", "missed", "false_alarms"),
    *("dice_mean", "dice_low", "dice_high", "dice_interval"),
    *("dice_sd", "dice_median", "dice_worst", "dice_worst_case", "dice_by_seed"),
    *("asd_n", "asd_mean", "asd_low", "asd_high", "asd_interval"),
    *("asd_sd", "asd_median", "asd_worst", "asd_worst_case", "asd_by_seed"),
    *("above_floor", "gap_closed", "gap_low", "gap_high"),
]
BOUNDS = ("source_only", "supervised")
"""Between them lies the gap that a method may close."""
MEAN = "mean"
COUNTS = {"missed": "Int64", "false_alarms": "Int64", "asd_n": "Int64"}
"""Whole numbers, of which some may be empty."""
WORDS = ("method", "structure", "dice_interval", "dice_worst_case", "dice_by_seed")
WORDS += ("asd_interval", "asd_worst_case", "asd_by_seed")


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
        ValueError: A metrics file lacks a structure, or the seeds of a method have different cases or references.
    """
    summary = summarize(metrics, unavailable, structures, bounds).assign(**choices)
    with write_beside(table) as partial:
        summary.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def read_summary(table: str | Path) -> pd.DataFrame:
    """Return a table of `write_summary`, empty cells as NaN."""
    types = {**dict.fromkeys(WORDS, str), **COUNTS}
    return pd.read_csv(table, sep="\t", dtype=types, keep_default_na=False, na_values=[""])


def summarize(
    metrics: Sequence[dict],
    unavailable: Sequence[dict],
    structures: list[str],
    bounds: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Return the statistics of methods and directions, columns `COLUMNS`.

    The unit is the case. Per method there is one row per structure and a row `mean`, in which a case's value under a
    seed is first averaged over the structures that have one there.

    - `n`: cases whose reference has the structure, the same for all methods and seeds; in the row `mean`, any
      structure. Dice counts there alone.
    - `missed`, `false_alarms`: (case, seed) pairs in which the reference has the structure and the prediction does
      not, and the other way round; in the row `mean`, their sum.
    - `*_mean`: mean over the cases, each first averaged over the seeds that have a value. `asd_*` in mm, over what is
      not missed; `asd_n` counts the cases that have one.
    - `*_low`, `*_high`, `*_interval`: see `mean_interval`; of Dice on the scale `LOGIT`, of ASD on `LOG`.
    - `*_sd`, `*_median`, `*_worst`, `*_worst_case`: over the cases. `*_by_seed`: the mean under each seed, in the order
      of the run's seeds, separated by spaces.
    - `above_floor`: Dice above the method's floor.
    - `gap_*`: see `gap_closed`, between the method's `bounds`; empty where one of the two is unavailable or has other
      seeds. The bounds have no interval.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run; their rows have n = 0.
        structures: Names, in the order of the rows.
        bounds: Floor and ceiling of the gap of a method other than `BOUNDS`, by method.
    """
    read = {}
    for direction, method in ordered_methods([*metrics, *unavailable]):
        files = [entry for entry in metrics if (entry["direction"], entry["method"]) == (direction, method)]
        read[direction, method] = read_cases(files, structures) if files else None
    rows = []
    for (direction, method), cases in read.items():
        floor, ceiling = (read.get((direction, bound)) for bound in bounds.get(method, BOUNDS))
        for index, name in enumerate([*structures, MEAN]):
            chosen = slice(None) if name == MEAN else slice(index, index + 1)
            row = {"direction": direction, "method": method, "structure": name, "n": 0, "seeds": 0}
            rows.append(row | _statistics(cases, chosen) | _place_in_gap(cases, floor, ceiling, chosen))
    return pd.DataFrame(rows, columns=COLUMNS).astype(COUNTS)


def _statistics(cases: Cases | None, chosen: slice) -> dict[str, Any]:
    if cases is None:
        return {}
    dice, asd = (finite_mean(values[:, :, chosen], axis=2) for values in (cases.dice, cases.asd_mm))
    return {
        "n": int(np.isfinite(dice).any(axis=0).sum()),
        "seeds": len(cases.seeds),
        "missed": int(cases.missed[:, :, chosen].sum()),
        "false_alarms": int(cases.false_alarms[:, :, chosen].sum()),
        "asd_n": int(np.isfinite(asd).any(axis=0).sum()),
        **_of_metric("dice", dice, LOGIT, "idxmin", cases.names),
        **_of_metric("asd", asd, LOG, "idxmax", cases.names),
    }


def _of_metric(metric: str, values: NDArray, scale: Scale, worst: str, names: list[str]) -> dict[str, Any]:
    """Return the statistics of a metric, from its values of shape (seeds, cases); nothing where no case has one."""
    means = pd.Series(finite_mean(values, axis=0), index=names).dropna()
    if means.empty:
        return {}
    low, high, kind = mean_interval(values, scale)
    worst_case = getattr(means, worst)()
    found = {"mean": means.mean(), "low": low, "high": high, "interval": kind, "sd": means.std()}
    found |= {"median": means.median(), "worst": means[worst_case], "worst_case": worst_case}
    found["by_seed"] = " ".join(f"{mean:.6f}" for mean in finite_mean(values, axis=1))
    return {f"{metric}_{name}": value for name, value in found.items()}


def _place_in_gap(cases: Cases | None, floor: Cases | None, ceiling: Cases | None, chosen: slice) -> dict[str, float]:
    """Return what a method gains over its floor, and of the gap to its ceiling."""
    if cases is None or floor is None or (cases.names, cases.seeds) != (floor.names, floor.seeds):
        return {}
    dice, low = (finite_mean(one.dice[:, :, chosen], axis=2) for one in (cases, floor))
    found = {"above_floor": float(finite_mean((dice - low).ravel(), axis=0))}
    if ceiling is None or (ceiling.names, ceiling.seeds) != (floor.names, floor.seeds):
        return found
    gap = gap_closed(dice, low, finite_mean(ceiling.dice[:, :, chosen], axis=2))
    ends = {} if cases is floor or cases is ceiling else {"gap_low": gap.low, "gap_high": gap.high}
    return found | {"gap_closed": gap.closed, **ends}
