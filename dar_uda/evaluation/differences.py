"""How much two methods differ on the same cases and seeds, and whether that is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from dar_uda.evaluation.case_means import Cases, check_same_references, ordered_methods, read_cases
from dar_uda.evaluation.intervals import FEWEST_CASES, PLAIN, mean_interval, standard_error
from dar_uda.evaluation.means import finite_mean
from dar_uda.evaluation.quantities import HIGHEST, LOWEST, MEAN, METRICS, Metric
from dar_uda.jobs.files import write_beside

SIGNIFICANCE = 0.05
"""A difference with a smaller p-value, after Holm's correction, counts as more than chance."""
DECIMALS = 9
"""Differences smaller than this come from adding up the same values in another order."""
KEYS = ["direction", "structure", "metric"]
"""Columns within which the p-values of the rows are corrected."""


class Difference(NamedTuple):
    """A method's mean metric minus the reference row's, over the same patients and seeds.

    Attributes:
        n: Patients that have a value of both.
        difference: The mean, NaN without such patients.
        low, high, interval: See `mean_interval`.
        wins, losses: Patients, averaged over the seeds, in which the method's value is better, or worse; None of a
            metric without a best value.
        p: See `p_value`.
    """

    n: int
    difference: float
    low: float
    high: float
    interval: str
    wins: int | None
    losses: int | None
    p: float


COUNTS = {"wins": "Int64", "losses": "Int64"}
"""Whole numbers, of which some may be empty."""
COLUMNS = [*KEYS[:1], "method", "reference", *KEYS[1:], "seeds", *Difference._fields, "p_holm"]


def write_differences(
    metrics: Sequence[dict], structures: list[str], reference: str, choices: Mapping[str, str], table: str | Path
) -> None:
    """Write how much each method differs from a reference row, for every structure and metric.

    Args:
        metrics, structures: See `summarize`.
        reference: Method of the reference row. A direction without it, or with other seeds of it, has no rows.
        choices: What every row says of the run, by column.
        table: Output TSV with the columns `COLUMNS` and those of `choices`, six decimals.

    Raises:
        ValueError: See `read_methods`.
    """
    rows = []
    methods = read_methods(metrics, structures)
    for (direction, method), cases in methods.items():
        other = methods.get((direction, reference))
        if other is None or method == reference or not _have_the_same_seeds(cases, other):
            continue
        for (structure, chosen), metric in [(one, metric) for one in parts_of(structures) for metric in METRICS]:
            found = compare(*(one.of_structures(chosen) for one in (cases, other)), METRICS[metric])
            seeds = len(cases.under(other.seeds).seeds)
            rows.append([direction, method, reference, structure, metric, seeds, *found, np.nan])
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(COUNTS)
    frame["p_holm"] = frame.groupby(KEYS)["p"].transform(lambda values: holm(values.to_numpy()))
    with write_beside(table) as partial:
        frame.assign(**choices).to_csv(partial, sep="\t", index=False, float_format="%.6f")


def read_differences(table: str | Path) -> pd.DataFrame:
    """Return a table of `write_differences`, empty cells as NaN."""
    words = dict.fromkeys(["direction", "method", "reference", "structure", "metric", "interval"], str)
    return pd.read_csv(table, sep="\t", dtype=words | COUNTS, keep_default_na=False, na_values=[""])


def read_methods(metrics: Sequence[dict], structures: list[str]) -> dict[tuple[str, str], Cases]:
    """Return what every method reaches, by direction and method.

    Raises:
        ValueError: A metrics file lacks a structure, or files of a direction have different cases or references.
    """
    read: dict[tuple[str, str], Cases] = {}
    firsts: dict[str, str] = {}
    for direction, method in ordered_methods(metrics):
        files = [entry for entry in metrics if (entry["direction"], entry["method"]) == (direction, method)]
        read[direction, method] = read_cases(files, structures)
        first = firsts.setdefault(direction, method)
        what = f"{direction}: the methods {first} and {method}"
        check_same_references(read[direction, first], read[direction, method], what)
    return read


def parts_of(structures: Sequence[str]) -> list[tuple[str, slice]]:
    """Return the rows of a method: each structure with its place, and `MEAN` with all places."""
    return [*((name, slice(place, place + 1)) for place, name in enumerate(structures)), (MEAN, slice(None))]


def compare(method: Cases, reference: Cases, metric: Metric) -> Difference:
    """Return how much a method differs from another in a metric, on the same cases and seeds."""
    values = paired_values(method, reference, metric)
    patients = finite_mean(values, axis=0)
    patients = patients[np.isfinite(patients)]
    mean = float(patients.mean()) if len(patients) else np.nan
    better = {HIGHEST: patients, LOWEST: -patients}.get(metric.best)
    better = None if better is None else better.round(DECIMALS)
    counts = (None, None) if better is None else (int((better > 0).sum()), int((better < 0).sum()))
    return Difference(len(patients), mean, *mean_interval(values, PLAIN), *counts, p_value(values))


def _have_the_same_seeds(method: Cases, other: Cases) -> bool:
    """Return whether two methods have the same seeds, as masks of another program have with every method."""
    return method.under(other.seeds).seeds == other.under(method.seeds).seeds


def paired_values(method: Cases, reference: Cases, metric: Metric) -> NDArray[np.float64]:
    """Return a method's metric minus that of another, shape (seeds, patients); NaN where none can be compared.

    Structures of which one of both has no value, such as distances of empty masks, count in neither.
    """
    method, reference = method.under(reference.seeds), reference.under(method.seeds)
    known = np.isfinite(method.values[metric.name]) & np.isfinite(reference.values[metric.name])
    return _by_patient(method, metric, known) - _by_patient(reference, metric, known)


def _by_patient(cases: Cases, metric: Metric, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = {metric.name: np.where(known, cases.values[metric.name], np.nan)}
    return replace(cases, values=values).by_patient(metric.name)


def p_value(values: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a mean of 0; NaN with fewer than `FEWEST_CASES` patients.

    Where all patients differ by the same it is 0, or 1 where none differs.

    Args:
        values: Differences of shape (seeds, patients); NaN where there is none.
    """
    known = np.isfinite(values)
    values = values[known.any(axis=1)][:, known.any(axis=0)]
    if values.shape[-1] < FEWEST_CASES:
        return np.nan
    mean = float(finite_mean(values, axis=0).mean())
    error, degrees = standard_error(values)
    if np.isclose(error, 0):
        return float(np.isclose(mean, 0))
    return float(2 * stdtr(degrees, -abs(mean) / error))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values corrected for their number (Holm 1979): the smallest times m, the next times m - 1, ...

    None is smaller than one before it, or above 1; NaN stays and does not count.
    """
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.isfinite(p_values).sum()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return corrected


def as_good_as_the_best(methods: Mapping[str, NDArray[np.float64]], metric: Metric) -> set[str]:
    """Return the method with the best mean, and those that do not differ from it by more than chance.

    They differ where the p-value, corrected over all rows but the best, is below `SIGNIFICANCE`. None is returned
    where nothing can be tested: one method alone, fewer than `FEWEST_CASES` patients, a metric without a best value.

    Args:
        methods: The values of each, shape (seeds, patients), of the same seeds and patients; NaN for the same of them.
    """
    means = pd.Series({name: finite_mean(finite_mean(values, axis=0), axis=0) for name, values in methods.items()})
    means = means.astype(float).dropna()
    if len(means) < 2 or metric.best not in (HIGHEST, LOWEST):
        return set()
    best = means.idxmax() if metric.best == HIGHEST else means.idxmin()
    others = means.index.drop(best)
    p_values = np.array([p_value(methods[name] - methods[best]) for name in others])
    if np.isnan(p_values).all():
        return set()
    return {best, *others[~(holm(p_values) < SIGNIFICANCE)]}
