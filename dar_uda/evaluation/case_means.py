"""What a method reaches in every case, from its files of `score_method`, one per seed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.evaluation.means import finite_mean
from dar_uda.evaluation.quantities import FAILURES, FALSE_ALARMS, FALSE_NEGATIVES, METRICS
from dar_uda.evaluation.score import ABSENT, FAILURE, FALSE_ALARM, FALSE_NEGATIVE, read_metrics


def ordered_methods(entries: Iterable[dict]) -> list[tuple[str, str]]:
    """Return every (direction, method) once, by direction, then method, both in order of first appearance."""
    entries = list(entries)
    directions = list(dict.fromkeys(entry["direction"] for entry in entries))
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    present = {(entry["direction"], entry["method"]) for entry in entries}
    return [(d, m) for d in directions for m in methods if (d, m) in present]


@dataclass(frozen=True)
class Cases:
    """What a method reaches in every case, or in some structures of every case.

    Attributes:
        names: Of the cases.
        patients: Whose scan each case is.
        seeds: Of the trainings.
        values: Each of `METRICS` by name, shape (seeds, cases, structures). NaN where the reference has no voxels, so
            that all methods and seeds have a Dice for the same cases; some metrics need voxels in the prediction too.
        status: Of each structure, the same shape: see `score_method`.
        volumes_ml: Of the reference and of the prediction, shape (2, seeds, cases, structures).
        is_external: Whether another program made the masks, which no seed changes: `seeds` is then one.
    """

    names: list[str]
    patients: list[str]
    seeds: list[int]
    values: Mapping[str, NDArray[np.float64]]
    status: NDArray[np.str_]
    volumes_ml: NDArray[np.float64]
    is_external: bool = False

    def of_structures(self, chosen: slice) -> "Cases":
        """Return the same of some structures alone."""
        values = {name: array[:, :, chosen] for name, array in self.values.items()}
        status, volumes = self.status[:, :, chosen], self.volumes_ml[:, :, :, chosen]
        return replace(self, values=values, status=status, volumes_ml=volumes)

    def under(self, seeds: list[int]) -> "Cases":
        """Return masks that another program made as they are under each of several seeds; others as they are.

        Differences to a method of several trainings then vary between seeds as that method does, and no more.
        """
        if not self.is_external or self.seeds == seeds:
            return self
        values = {name: np.repeat(array, len(seeds), axis=0) for name, array in self.values.items()}
        status, volumes = np.repeat(self.status, len(seeds), axis=0), np.repeat(self.volumes_ml, len(seeds), axis=1)
        return replace(self, seeds=seeds, values=values, status=status, volumes_ml=volumes)

    @property
    def has_reference(self) -> NDArray[np.bool_]:
        """Whether the reference has the structure, shape (seeds, cases, structures)."""
        return ~np.isin(self.status, [FALSE_ALARM, ABSENT])

    def means(self, metric: str) -> NDArray[np.float64]:
        """Return each case's mean over the structures that it has, shape (seeds, cases)."""
        return finite_mean(self.values[metric], axis=2)

    def by_patient(self, metric: str) -> NDArray[np.float64]:
        """Return each patient's mean over the cases that have a value, shape (seeds, patients)."""
        means, (places, patients) = self.means(metric), pd.factorize(np.array(self.patients))
        known = np.isfinite(means)
        sums, counts = np.zeros((2, len(means), len(patients)))
        np.add.at(sums, (slice(None), places), np.where(known, means, 0))
        np.add.at(counts, (slice(None), places), known)
        return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)

    def mean(self, metric: str) -> float:
        """Return the mean over the patients, each first averaged over the seeds that have a value; NaN without any."""
        return float(finite_mean(finite_mean(self.by_patient(metric), axis=0), axis=0))

    def counts(self) -> dict[str, int]:
        """Return `COUNTS` and of how many, by column of the summary."""
        return {
            "references": int(self.has_reference.sum()),
            FALSE_NEGATIVES.name: int((self.status == FALSE_NEGATIVE).sum()),
            FAILURES.name: int(np.isin(self.status, [FAILURE, FALSE_NEGATIVE]).sum()),
            "absences": int((~self.has_reference).sum()),
            FALSE_ALARMS.name: int((self.status == FALSE_ALARM).sum()),
        }

    def table(self) -> pd.DataFrame:
        """Return a row per case: its metrics, means over the structures, then over the seeds, and its `counts`."""
        rows = [
            {name: float(finite_mean(self.means(name)[:, place], axis=0)) for name in METRICS}
            | self._of_case(place).counts()
            for place in range(len(self.names))
        ]
        return pd.DataFrame(rows, index=pd.Index(self.names, name="case"))

    def _of_case(self, place: int) -> "Cases":
        here = slice(place, place + 1)
        values = {name: array[:, here] for name, array in self.values.items()}
        names, patients = self.names[here], self.patients[here]
        status, volumes = self.status[:, here], self.volumes_ml[:, :, here]
        return replace(self, names=names, patients=patients, values=values, status=status, volumes_ml=volumes)


def read_scores(path: str | Path) -> pd.DataFrame:
    """Return a table of `score_method`, its metrics empty where the reference has no voxels."""
    table = read_metrics(path)
    columns = [metric.column for metric in METRICS.values()]
    has_reference = ~table["status"].isin([FALSE_ALARM, ABSENT])
    return table.assign(**{column: table[column].where(has_reference) for column in columns})


def read_cases(metrics: Sequence[dict], structures: list[str] | None = None) -> Cases:
    """Return what one method reaches in every case.

    Args:
        metrics: `{"seed", "path"}` of its files of `score_method`, one per seed; `is_external` where another program
            made the masks.
        structures: Names, in the order of the last axis; None: those of the first file.

    Raises:
        ValueError: A file lacks a structure, or the seeds have different cases or references.
    """
    tables = [read_scores(entry["path"]) for entry in metrics]
    structures = list(tables[0]["structure"].unique()) if structures is None else structures
    for entry, table in zip(metrics, tables, strict=True):
        _check_complete(entry["path"], table, tables[0], structures)
    patients = tables[0].drop_duplicates("case").set_index("case")["patient"]
    by_pair = [table.set_index(["case", "structure"]).unstack() for table in tables]

    def stacked(column: str) -> NDArray:
        return np.stack([table[column].loc[patients.index, structures].to_numpy() for table in by_pair])

    return Cases(
        list(patients.index),
        list(patients),
        [entry["seed"] for entry in metrics],
        {name: stacked(metric.column) for name, metric in METRICS.items()},
        stacked("status").astype(str),
        np.stack([stacked("reference_ml"), stacked("predicted_ml")]),
        is_external=any(entry.get("is_external") for entry in metrics),
    )


def check_same_references(first: Cases, second: Cases, what: str) -> None:
    """Raise where two methods of a direction were scored on other cases or references.

    Raises:
        ValueError: They differ; the message names both as `what` does.
    """
    same_cases = (first.names, first.patients) == (second.names, second.patients)
    if not same_cases or (first.has_reference[0] != second.has_reference[0]).any():
        raise ValueError(
            f"DAR-280: {what} were scored on other cases, patients or references; score them again on the same ones"
        )


def _check_complete(path: str | Path, table: pd.DataFrame, first: pd.DataFrame, structures: list[str]) -> None:
    cases = list(dict.fromkeys(first["case"]))
    found = list(zip(table["case"], table["structure"], strict=True))
    expected = [(case, structure) for case in cases for structure in structures]
    if not found or sorted(found) != sorted(expected):
        odd = sorted(set(found) ^ set(expected)) or sorted({pair for pair in found if found.count(pair) > 1})
        raise ValueError(
            f"DAR-280: {path} has {len(found)} rows, expected one for each of {len(cases)} cases and the structures "
            f"{structures}; missing, unexpected or double: {odd[:5]}. Score the method again with this label "
            "set, and every seed on the same cases"
        )
    rows, of_first = _with_reference(table), _with_reference(first)
    if rows != of_first:
        raise ValueError(
            f"DAR-280: {path} and the method's first seed have other references or patients, in "
            f"{sorted(rows ^ of_first)[:5]}: score the method again for every seed"
        )


def _with_reference(table: pd.DataFrame) -> set[tuple[str, str, str]]:
    rows = table[~table["status"].isin([FALSE_ALARM, ABSENT])]
    return set(zip(rows["case"], rows["structure"], rows["patient"], strict=True))
