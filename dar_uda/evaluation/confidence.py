"""How far a mask can be trusted, without labels: the Dice to expect, by which cases are sorted, the lowest first."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.grid import Grid, read_grids
from dar_uda.data.predictions import mask_path
from dar_uda.data.volume import read_volume
from dar_uda.evaluation.cells import SCORE, Cell, Table
from dar_uda.evaluation.overlap import dice
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress
from dar_uda.preprocessing.structures import depth_of_voxel, mean_volumes

KEYS = ["direction", "method", "case", "structure"]
SIGNALS = ["tta_inconsistency", "volume_ratio", "agreement"]
COLUMNS = ["case", "patient", "structure", *SIGNALS, "confidence", "expected_dice"]
WORDS = {
    "tta_inconsistency": "Dice {:.2f} with its masks of the scan brighter, darker or flipped",
    "volume_ratio": "{:.2f} times the usual volume",
    "agreement": "Dice {:.2f} with the masks of other adapted networks",
}
LINES = {(True, True): (1.01, -0.09), (True, False): (0.94, -0.10), (False, False): (0.86, -0.01)}
"""Slope and offset from confidence to Dice, by whether TTA inconsistency and agreement are known.

Fitted to the phantom's labels, which are generated; docs/confidence.md says how far off they are on other scans.
"""
FIRST = 3
"""Cases that pages name as those to look at first."""


def measure_confidence(
    cases: Sequence[str],
    patients: Sequence[str],
    predictions: str | Path,
    others: Sequence[str | Path],
    grids: Sequence[str | Path],
    source_structures: str | Path | None,
    tta_inconsistency: str | Path,
    structures: Sequence[str],
    table: str | Path,
) -> None:
    """Write the signals of every case and structure of a method, their mean, the confidence, and the Dice to expect.

    Args:
        cases: Names, in the order of the patients and of the grids.
        predictions: Folder of the method's masks.
        others: Folders of the masks of other networks that were adapted to the same scans.
        grids: See `predict_cases`.
        source_structures: The source's table of `measure_structures`; None: no volume is known.
        tta_inconsistency: The method's table of `predict_cases`.
        structures: Names of classes 1..K.
        table: TSV to write, `COLUMNS`, six decimals; `tta_inconsistency` is 1 where no mask has the structure.
    """
    usual = np.array(mean_volumes(source_structures) if source_structures else [np.nan] * len(structures))
    changes = read_table(tta_inconsistency).set_index(["case", "structure"])["tta_inconsistency"].fillna(1)
    progress, rows = Progress("measure_confidence", len(cases), unit="case"), []
    for done, (case, patient, grid) in enumerate(zip(cases, patients, grids, strict=True), start=1):
        mask = read_volume(mask_path(predictions, case)).array
        beside = [read_volume(mask_path(folder, case)).array for folder in others]
        ratios = volume_ratios(mask, *read_grids(grid), usual)
        for label, (structure, ratio) in enumerate(zip(structures, ratios, strict=True), start=1):
            agreement = np.mean([_same(mask == label, other == label) for other in beside]) if beside else np.nan
            rows.append((case, patient, structure, changes[case, structure], ratio, agreement))
        progress.report(done)
    frame = with_expected_dice(pd.DataFrame(rows, columns=COLUMNS[:-2]))
    with write_beside(table) as partial:
        frame.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def volume_ratios(
    mask: NDArray[np.uint8], original: Grid, network: Grid, usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the volume of every structure of a mask over its usual one; NaN where none is usual.

    Args:
        mask: Classes on the scan's own grid.
        original, network: Grids of the scan and of its image for the network.
        usual: Volumes of classes 1..K, see `mean_volumes`.
    """
    voxel, network_voxel = (abs(np.linalg.det(grid.affine[:3, :3])) for grid in (original, network))
    counts = np.bincount(mask.ravel(), minlength=len(usual) + 1)[1 : len(usual) + 1]
    volumes = counts * voxel / network_voxel * depth_of_voxel(network.affine)
    return np.divide(volumes, usual, out=np.full(len(usual), np.nan), where=usual > 0)


def parts_of(signals: pd.DataFrame) -> pd.DataFrame:
    """Return `SIGNALS` as numbers from 0 to 1, high where a mask can be trusted; NaN where a signal is not known.

    - `tta_inconsistency`: 1 minus it, the mean Dice between the mask and those of the changed image;
    - `volume_ratio`: the highest Dice that two masks of such volumes can have;
    - `agreement`: as it is, the mean Dice with the masks of other networks.
    """
    ratio = signals["volume_ratio"]
    fit = 2 * ratio.clip(upper=1) / (1 + ratio)
    return signals[SIGNALS].assign(tta_inconsistency=1 - signals["tta_inconsistency"], volume_ratio=fit)


def confidence_of(signals: pd.DataFrame) -> pd.Series:
    """Return the mean of the known `parts_of` each row; NaN without any."""
    return parts_of(signals).mean(axis=1)


def with_expected_dice(signals: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with their confidence and the Dice to expect of it, see `LINES`."""
    confidence = confidence_of(signals)
    known = zip(signals["tta_inconsistency"].notna(), signals["agreement"].notna(), strict=True)
    slope, offset = np.array([LINES[pair] for pair in known]).reshape(-1, 2).T
    return signals.assign(confidence=confidence, expected_dice=(slope * confidence + offset).clip(0, 1))


def read_confidence(confidence: Sequence[dict]) -> pd.DataFrame:
    """Return a row per direction, method, case and structure, means over the seeds, the least sure of a method first.

    Args:
        confidence: One `{"direction", "method", "seed", "path"}` per table of `measure_confidence`.
    """
    tables = [
        read_table(entry["path"]).assign(direction=entry["direction"], method=entry["method"]) for entry in confidence
    ]
    values = COLUMNS[3:]
    pooled = pd.concat(tables) if tables else pd.DataFrame(columns=[*KEYS, *values])
    means = pooled.groupby(KEYS, sort=False)[values].mean().reset_index()
    methods = means.groupby(["direction", "method"], sort=False).ngroup()
    return means.iloc[np.lexsort((means["confidence"].astype(float), methods))]


def read_table(path: str | Path) -> pd.DataFrame:
    """Return a table by case and structure, empty cells as NaN; names stay text."""
    text = dict.fromkeys(["case", "patient", "structure"], str)
    table = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False, na_values={name: [""] for name in SIGNALS})
    return table.astype({name: float for name in SIGNALS if name in table})


def tabulate_confidence(confidence: Sequence[dict], choices: Mapping[str, str], table: str | Path) -> None:
    """Write what `read_confidence` returns, four decimals; `choices` is what every row says of the run, by column."""
    with write_beside(table) as partial:
        read_confidence(confidence).assign(**choices).to_csv(partial, sep="\t", index=False, float_format="%.4f")


def look_first(confidence: pd.DataFrame, count: int | None = None) -> pd.DataFrame:
    """Return the least sure structure of every case of one method and its `reason`, the least sure case first.

    Args:
        confidence: Rows of `read_confidence` of one direction and method.
        count: How many cases; None: all.
    """
    first = confidence.drop_duplicates("case")[:count]
    return first.assign(**{"reason": reasons_of(first)})


def reasons_of(signals: pd.DataFrame) -> list[str]:
    """Return the least part of each row in words, such as `0.01 times the usual volume`."""
    least = parts_of(signals).fillna(np.inf).idxmin(axis=1)
    shown = signals.assign(tta_inconsistency=1 - signals["tta_inconsistency"])
    return [
        "not found" if shown.at[row, "volume_ratio"] == 0 else WORDS[name].format(shown.at[row, name])
        for row, name in least.items()
    ]


def look_first_table(confidence: pd.DataFrame, title: str) -> Table:
    """Return the `FIRST` least sure cases of every method of a direction, each with its least sure structure."""
    rows = [
        [Cell(row.method), Cell(row.case), Cell(row.structure), Cell(row.expected_dice, SCORE), Cell(row.reason)]
        for _, of_method in confidence.groupby("method", sort=False)
        for row in look_first(of_method, FIRST).itertuples()
    ]
    return Table(title, ["method", "case", "structure", "expected Dice", "why"], rows)


def _same(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the Dice of two masks, 0 where both are empty: what neither finds, neither confirms."""
    return float(np.nan_to_num(dice(mask, other)))
