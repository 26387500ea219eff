"""What a method reaches in every case, from its files of `score_method`, one per seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Cases:
    """What a method reaches in every case.

    Attributes:
        names: Of the cases.
        seeds: Of the trainings.
        dice, asd_mm: Shape (seeds, cases, structures), NaN where there is none. Dice counts where the reference has
            voxels, so that all methods and seeds have it for the same cases; ASD where the prediction has some too.
        missed: Where the reference has voxels and the prediction has none.
        false_alarms: Where the prediction has voxels and the reference has none.
    """

    names: list[str]
    seeds: list[int]
    dice: NDArray[np.float64]
    asd_mm: NDArray[np.float64]
    missed: NDArray[np.bool_]
    false_alarms: NDArray[np.bool_]


def read_scores(path: str | Path) -> pd.DataFrame:
    """Return a table of `score_method` with `missed` and `false_alarm`; no Dice where the reference has no voxels."""
    table = read_metrics(path)
    has_reference, is_odd = _has_reference(table), table["status"] == "missed"
    return table.assign(
        dice=table["dice"].where(has_reference), missed=is_odd & has_reference, false_alarm=is_odd & ~has_reference
    )


def read_cases(metrics: Sequence[dict], structures: list[str]) -> Cases:
    """Return what one method reaches in every case.

    Args:
        metrics: `{"seed", "path"}` of its files of `score_method`, one per seed.
        structures: Names, in the order of the last axis.

    Raises:
        ValueError: A file lacks a structure, or the seeds have different cases or references.
    """
    tables = [read_scores(entry["path"]) for entry in metrics]
    for entry, table in zip(metrics, tables, strict=True):
        _check_complete(entry["path"], table, tables[0], structures)
    names = list(dict.fromkeys(tables[0]["case"]))
    by_pair = [table.set_index(["case", "structure"]).unstack() for table in tables]
    dice, asd_mm, missed, false_alarms = (
        np.stack([table[column].loc[names, structures].to_numpy() for table in by_pair])
        for column in ("dice", "asd_mm", "missed", "false_alarm")
    )
    return Cases(names, [entry["seed"] for entry in metrics], dice, asd_mm, missed, false_alarms)


def finite_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the mean of what is not NaN along an axis; NaN where nothing is."""
    counts = np.isfinite(values).sum(axis=axis)
    return np.divide(np.nansum(values, axis=axis), counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def read_case_means(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Return `dice`, `asd_mm`, `missed` and `false_alarms` by case.

    Dice and ASD are means over the structures that have one, then over the seeds; NaN where there is none. Missed and
    false alarms count structures and seeds.

    Args:
        paths: One method's files of `score_method`, one per seed.
    """
    rows = pd.concat([read_scores(path).assign(file=place) for place, path in enumerate(paths)])
    means = rows.groupby(["case", "file"], sort=False)[["dice", "asd_mm"]].mean().groupby("case", sort=False).mean()
    counts = rows.groupby("case")[["missed", "false_alarm"]].sum()
    return means.join(counts.rename(columns={"false_alarm": "false_alarms"}))


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
    pairs, of_first = _with_reference(table), _with_reference(first)
    if pairs != of_first:
        raise ValueError(
            f"DAR-280: {path} and the method's first seed have other references, in {sorted(pairs ^ of_first)[:5]}: "
            "score the method again for every seed"
        )


def _has_reference(table: pd.DataFrame) -> pd.Series:
    """Return where the reference has voxels, however few: the file rounds the volume of some small ones to 0 ml."""
    return table["rvd"].notna()


def _with_reference(table: pd.DataFrame) -> set[tuple[str, str]]:
    rows = table[_has_reference(table)]
    return set(zip(rows["case"], rows["structure"], strict=True))
