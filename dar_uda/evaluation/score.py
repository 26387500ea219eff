"""Score one method's predictions: a table with one row per case and structure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.predictions import mask_path
from dar_uda.data.volume import Volume, read_volume
from dar_uda.evaluation.metrics import Score, score_structures
from dar_uda.jobs.files import write_beside
from dar_uda.preprocessing.classes import read_classes

COLUMNS = ["case", "patient", "structure", *Score._fields, "status"]
OK, FAILURE, FALSE_NEGATIVE, FALSE_ALARM, ABSENT = "ok", "failure", "false_negative", "false_alarm", "absent"
"""A structure's status: see `score_method`."""
FAILED_DICE = 0.1
"""A Dice below this is a failure: the mask says next to nothing of where the structure is."""


def score_method(
    cases: list[str],
    patients: list[str],
    predictions: str | Path,
    images: list[str | Path],
    references: list[str | Path],
    metrics: str | Path,
    structures: list[str],
    values: list[list[int]],
    tolerances: list[float | None],
) -> None:
    """Write the metrics of every case and structure, measured in 3D on the case's original grid.

    Args:
        cases: Names, in the order of the images and references.
        patients: Whose scan each case is: of tables, the patient is the unit.
        predictions: Folder of the masks, class indices: 1 is the first structure, 2 the second, ...
        images: The scans as the user has them.
        references: Their label files or folders of PNG files, on the same grids up to order and sense of the axes.
        metrics: Output TSV, columns `case patient structure`, those of `Score` and `status`. Status `ok` or `failure`:
            both masks have voxels, and Dice is `FAILED_DICE` at least, or less; `false_negative`: only the reference
            has; `false_alarm`: only the prediction has (Dice 0 and distances empty in both); `absent`: none has (all
            but the volumes empty).
        structures: Names of the classes.
        values: For each structure the values in the label files that make it up.
        tolerances: For each structure the tolerance of its NSD in mm; None: the cell is empty.

    Raises:
        ValueError: A prediction lies on another grid than its reference, or holds a class beyond the last
            structure's.
    """
    rows = []
    for case, patient, image, reference in zip(cases, patients, images, references, strict=True):
        prediction = _read_mask(case, mask_path(predictions, case), len(structures))
        true = read_classes(case, reference, image, prediction.grid, values)
        rows += rows_of_case(case, patient, prediction, true, structures, tolerances)
    write_metrics(rows, metrics)


def rows_of_case(
    case: str,
    patient: str,
    prediction: Volume,
    reference: NDArray[np.uint8],
    structures: Sequence[str],
    tolerances: Sequence[float | None],
) -> list[tuple]:
    """Return the rows of a case; its prediction and reference hold classes 1..K on the prediction's grid."""
    scores = score_structures(prediction.array, reference, prediction.grid.affine[:3, :3], tolerances)
    return [
        (case, patient, structure, *score, status_of(score))
        for structure, score in zip(structures, scores, strict=True)
    ]


def write_metrics(rows: Sequence[tuple], path: str | Path) -> None:
    """Write rows of cases as the table of `score_method`."""
    with write_beside(path) as partial:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(partial, sep="\t", index=False, float_format="%.6f")


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Return the table that `score_method` wrote: empty cells are NaN, a case called `NA` or `007` stays."""
    text = dict.fromkeys(["case", "patient", "structure", "status"], str)
    empty = dict.fromkeys(Score._fields, [""])
    table = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False, na_values=empty)
    if list(table.columns) != COLUMNS:
        found = list(table.columns)
        raise ValueError(f"DAR-280: {path} has the columns {found}, expected {COLUMNS}: score the method again")
    return table.astype(dict.fromkeys(Score._fields, float))


def status_of(score: Score) -> str:
    """Return the status of a structure, see `score_method`."""
    if np.isnan(score.dice):
        return ABSENT
    if np.isnan(score.asd_mm):
        return FALSE_ALARM if np.isnan(score.rvd) else FALSE_NEGATIVE
    return FAILURE if score.dice < FAILED_DICE else OK


def _read_mask(case: str, path: str | Path, count: int) -> Volume:
    """Return a mask that holds classes 1 to `count`."""
    mask = read_volume(path)
    _check_classes(case, mask.array, path, count)
    return Volume(mask.array.astype(np.uint8, copy=False), mask.grid)


def _check_classes(case: str, prediction: NDArray, path: str | Path, count: int) -> None:
    highest = prediction.max(initial=0)
    if highest > count:
        raise ValueError(
            f"DAR-280: Case {case}: {path} holds class {highest:g}, but there are {count} structures: "
            "predict with a segmenter trained for this label set"
        )
