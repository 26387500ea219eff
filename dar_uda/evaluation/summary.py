"""The statistics of a table: one row per direction, method and structure, from the metrics of all cases and seeds.

Tables, pages and report show these numbers and compute none. What a metric or a count means is in `quantities`;
intervals are in `intervals`, paired differences in `differences`, the gap is in `gap`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dar_uda.evaluation.case_means import Cases, ordered_methods
from dar_uda.evaluation.differences import as_good_as_the_best, parts_of, read_methods
from dar_uda.evaluation.gap import gap_closed
from dar_uda.evaluation.intervals import mean_interval
from dar_uda.evaluation.means import finite_mean
from dar_uda.evaluation.quantities import HIGHEST, LOWEST, MEAN, METRICS, Metric
from dar_uda.jobs.files import write_beside

OF_METRIC = ["n", "values", "mean", "low", "high", "interval", "best", "sd", "median", "worst", "worst_case", "by_seed"]
"""Of each metric, behind its name and `_`."""
WHOLE = [*("n", "patients", "seeds", "references", "false_negatives", "failures", "absences", "false_alarms")]
COLUMNS = [
    *("direction", "method", "structure", *WHOLE, "reference_ml", "predicted_ml"),
    *(f"{metric}_{name}" for metric in METRICS for name in OF_METRIC),
    *("above_floor", "gap_closed", "gap_low", "gap_high"),
]
BOUNDS = ("source_only", "supervised")
"""Between them lies the gap that a method may close."""
WORDS = ["direction", "method", "structure"]
WORDS += [f"{metric}_{name}" for metric in METRICS for name in ("interval", "worst_case", "by_seed")]
MISSING = ["missing", "missing_cases"]
"""Of masks that another program made: the scored cases without one, how many and which."""
NUMBERS = [*WHOLE, *(f"{metric}_{name}" for metric in METRICS for name in ("n", "values", "best"))]
"""Columns of whole numbers, of which some may be empty."""


def write_summary(
    metrics: Sequence[dict],
    unavailable: Sequence[dict],
    structures: list[str],
    bounds: Mapping[str, Sequence[str]],
    ceilings: Sequence[str],
    choices: Mapping[str, str],
    table: str | Path,
    missing: Sequence[dict] = (),
) -> None:
    """Write the statistics of methods and directions as a table to compute with.

    Args:
        metrics, unavailable, structures, bounds, ceilings: See `summarize`.
        choices: What every row says of the run, by column.
        table: Output TSV with the columns `COLUMNS`, those of `MISSING` where another program made masks, and those of
            `choices`, six decimals.
        missing: One `{"direction", "method", "path"}` per table of `read_external_masks`.

    Raises:
        ValueError: See `read_methods`.
    """
    summary = summarize(metrics, unavailable, structures, bounds, ceilings)
    summary = (_with_missing(summary, missing) if missing else summary).assign(**choices)
    with write_beside(table) as partial:
        summary.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def _with_missing(summary: pd.DataFrame, missing: Sequence[dict]) -> pd.DataFrame:
    """Return the statistics with the columns `MISSING`, empty for the run's own methods."""
    cases = {
        (entry["direction"], entry["method"]): list(
            pd.read_csv(entry["path"], sep="\t", dtype=str, keep_default_na=False)["case"]
        )
        for entry in missing
    }
    rows = [cases.get(place) for place in zip(summary["direction"], summary["method"], strict=True)]
    numbers = pd.array([None if names is None else len(names) for names in rows], dtype="Int64")
    return summary.assign(missing=numbers, missing_cases=[" ".join(names or []) for names in rows])


def read_summary(table: str | Path) -> pd.DataFrame:
    """Return a table of `write_summary`, empty cells as NaN."""
    types = {**dict.fromkeys([*WORDS, MISSING[1]], str), **dict.fromkeys([*NUMBERS, MISSING[0]], "Int64")}
    return pd.read_csv(table, sep="\t", dtype=types, keep_default_na=False, na_values=[""])


def summarize(
    metrics: Sequence[dict],
    unavailable: Sequence[dict],
    structures: list[str],
    bounds: Mapping[str, Sequence[str]],
    ceilings: Sequence[str],
) -> pd.DataFrame:
    """Return the statistics of methods and directions, columns `COLUMNS`.

    The unit is the patient: of several cases of a patient the mean counts. Per method there is one row per structure
    and a row `MEAN`, in which a case's value under a seed is first averaged over the structures that have one there.

    - `n`, `patients`: cases, and patients, whose reference has the structure, the same for all methods and seeds; in
      the row `MEAN`, any structure.
    - `references`, `absences`: (case, seed, structure) triples whose reference has the structure, or has not. Of the
      former are `false_negatives` and `failures`, of the latter `false_alarms`: see `COUNTS`.
    - `reference_ml`, `predicted_ml`: mean volumes over the triples whose reference has the structure; not in `MEAN`.
    - Of each metric:
      `*_n`, `*_values`: cases, and triples, that have a value.
      `*_mean`: mean over the patients, each first averaged over the seeds that have a value.
      `*_low`, `*_high`, `*_interval`: see `mean_interval`, on the metric's scale.
      `*_best`: 1 for the best method and those that do not differ from it by more than chance, see
      `as_good_as_the_best`; 0 for others that are compared. The ceilings are not, and in a metric that needs both
      masks nor are methods with false negatives, for their mean leaves out the hardest.
      `*_sd`, `*_median`: over the patients. `*_worst`, `*_worst_case`: of the cases.
      `*_by_seed`: the mean under each seed, in the order of the run's seeds, separated by spaces.
    - `above_floor`: Dice above the method's floor.
    - `gap_*`: see `gap_closed`, between the method's `bounds`; empty where one of the two is unavailable or has other
      seeds. The bounds have no interval.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run; their rows have n = 0.
        structures: Names, in the order of the rows.
        bounds: Floor and ceiling of the gap of a method other than `BOUNDS`, by method.
        ceilings: Methods trained on labels of the target.
    """
    read = read_methods(metrics, structures)
    best = _best(read, structures, ceilings)
    rows = []
    for direction, method in ordered_methods([*metrics, *unavailable]):
        of_bounds = [read.get((direction, bound)) for bound in bounds.get(method, BOUNDS)]
        for structure, chosen in parts_of(structures):
            row = {"direction": direction, "method": method, "structure": structure, "n": 0, "patients": 0, "seeds": 0}
            if (direction, method) in read:
                cases = read[direction, method].of_structures(chosen)
                row |= _counts(cases, structure)
                for metric in METRICS.values():
                    compared = best[direction, structure, metric.name]
                    row |= _of_metric(cases, metric) | {f"{metric.name}_best": compared.get(method)}
                row |= _place_in_gap(cases, *(bound and bound.of_structures(chosen) for bound in of_bounds))
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(NUMBERS, "Int64"))


def _best(
    read: Mapping[tuple[str, str], Cases], structures: list[str], ceilings: Sequence[str]
) -> dict[tuple[str, str, str], dict[str, bool]]:
    """Return of each direction, structure and metric whether a method that is compared is as good as the best.

    Methods with other seeds than the direction's first are not compared; masks of another program are, under each.
    """
    found: dict[tuple[str, str, str], dict[str, bool]] = {}
    for direction in {direction for direction, _ in read}:
        here = {name: cases for (place, name), cases in read.items() if place == direction and name not in ceilings}
        seeds = min(here.values(), key=lambda cases: cases.is_external).seeds if here else []
        here = {name: cases.under(seeds) for name, cases in here.items()}
        here = {name: cases for name, cases in here.items() if cases.seeds == seeds}
        for structure, chosen in parts_of(structures):
            parts = {name: cases.of_structures(chosen) for name, cases in here.items()}
            complete = {name: cases for name, cases in parts.items() if not cases.counts()["false_negatives"]}
            for metric in METRICS.values():
                compared = complete if metric.needs_both_masks else parts
                values = {name: cases.by_patient(metric.name) for name, cases in compared.items()}
                best = as_good_as_the_best(values, metric)
                found[direction, structure, metric.name] = {name: name in best for name in compared if best}
    return found


def _counts(cases: Cases, structure: str) -> dict[str, Any]:
    has_reference = cases.has_reference
    known = has_reference[0].any(axis=1)
    found = {"n": int(known.sum()), "patients": len(set(np.array(cases.patients)[known])), "seeds": len(cases.seeds)}
    if structure != MEAN and has_reference.any():
        volumes = cases.volumes_ml[:, has_reference].mean(axis=1)
        found |= dict(zip(("reference_ml", "predicted_ml"), volumes, strict=True))
    return found | cases.counts()


def _of_metric(cases: Cases, metric: Metric) -> dict[str, Any]:
    """Return the statistics of a metric; the number of values alone where no case has one."""
    by_case = pd.Series(finite_mean(cases.means(metric.name), axis=0), index=cases.names).dropna()
    found: dict[str, Any] = {"n": len(by_case), "values": int(np.isfinite(cases.values[metric.name]).sum())}
    if len(by_case):
        values = cases.by_patient(metric.name)
        patients = pd.Series(finite_mean(values, axis=0)).dropna()
        low, high, kind = mean_interval(values, metric.scale)
        found |= {"mean": patients.mean(), "low": low, "high": high, "interval": kind}
        found |= {"sd": patients.std(), "median": patients.median()}
        found["by_seed"] = " ".join(f"{mean:.6f}" for mean in finite_mean(values, axis=1))
        errors = {HIGHEST: -by_case, LOWEST: by_case}.get(metric.best, by_case.abs())
        found |= {"worst": by_case[errors.idxmax()], "worst_case": errors.idxmax()}
    return {f"{metric.name}_{name}": value for name, value in found.items()}


def _place_in_gap(cases: Cases, floor: Cases | None, ceiling: Cases | None) -> dict[str, float]:
    """Return what a method gains over its floor, and of the gap to its ceiling."""
    cases = cases if floor is None else cases.under(floor.seeds)
    if floor is None or cases.seeds != floor.seeds:
        return {}
    dice, low = cases.by_patient("dice"), floor.by_patient("dice")
    found = {"above_floor": cases.mean("dice") - floor.mean("dice")}
    if ceiling is None or ceiling.seeds != floor.seeds:
        return found
    gap = gap_closed(dice, low, ceiling.by_patient("dice"))
    return found | {"gap_closed": gap.closed, "gap_low": gap.low, "gap_high": gap.high}
