"""What a method reaches in every case, from its files of `score_method`, one per seed."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.evaluation.score import read_metrics


def ordered_methods(entries: Iterable[dict]) -> list[tuple[str, str]]:
    """Return every (direction, method) once, by direction, then method, both in order of first appearance."""
    entries = list(entries)
    directions = list(dict.fromkeys(entry["direction"] for entry in entries))
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    present = {(entry["direction"], entry["method"]) for entry in entries}
    return [(d, m) for d in directions for m in methods if (d, m) in present]


def read_cases(paths: list[str | Path], structures: list[str]) -> tuple[NDArray, NDArray, NDArray]:
    """Return Dice, ASD and missed counts of one method, a file per seed.

    Returns:
        Dice and ASD (seeds, cases, structures), NaN where there is none; in how many seeds each was missed
        (cases, structures).

    Raises:
        ValueError: A file lacks a structure, or the seeds have different cases.
    """
    tables = [read_metrics(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        _check_complete(path, table, tables[0], structures)
    cases = list(dict.fromkeys(tables[0]["case"]))

    def values(table: pd.DataFrame, column: str) -> NDArray:
        return table.set_index(["case", "structure"])[column].unstack().loc[cases, structures].to_numpy(dtype=float)

    dice, asd = (np.stack([values(table, column) for table in tables]) for column in ("dice", "asd_mm"))
    missed = [values(table.assign(missed=table["status"] == "missed"), "missed") for table in tables]
    return dice, asd, np.sum(missed, axis=0)


def mean_over_seeds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (cases, structures), the mean over the seeds that have a value; NaN where none has."""
    counts = np.isfinite(values).sum(axis=0)
    return np.divide(np.nansum(values, axis=0), counts, out=np.full(counts.shape, np.nan), where=counts > 0)


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
