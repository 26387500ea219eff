"""Folders of label maps, such as predictions and references: which files belong together, and to which patient."""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from dar_uda.data.cases_table import CONTROL, NOTHING
from dar_uda.data.geometry import described, grid_difference
from dar_uda.data.given_images import name_of, volume_files
from dar_uda.data.grid import Grid
from dar_uda.data.reading import reading
from dar_uda.data.volume import read_grid
from dar_uda.jobs.text import shown_name

logger = logging.getLogger(__name__)


def files_by_case(folder: Path) -> dict[str, Path]:
    """Return the volume files of a folder by the names of their cases: `p1` of `p1.nii.gz`.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no volume file, or two of one case.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"DAR-350: {folder}: no such folder; expected a folder of NIfTI files, one per case")
    found: dict[str, Path] = {}
    for path in volume_files(folder):
        case = shown_name(name_of(path))
        if found.setdefault(case, path) != path:
            raise ValueError(f"DAR-350: {found[case]} and {path.name} are both case {case}: move one of them away")
    if not found:
        raise ValueError(
            f"DAR-350: {folder} holds no volume file; expected one per case, such as p1.nii.gz, in this very folder"
        )
    return found


def matching_files(folder: Path, references: Mapping[str, Path]) -> list[Path]:
    """Return a folder's prediction for every reference, in their order; log which others are left out.

    Args:
        references: Their files by case.

    Raises:
        ValueError: Cases have no prediction; the message names them all.
    """
    found = files_by_case(folder)
    if missing := [case for case in references if case not in found]:
        raise ValueError(
            f"DAR-351: {folder} has no prediction for {len(missing)} of {len(references)} references: "
            f"{', '.join(missing)}; a prediction has the name of its reference"
        )
    if others := [case for case in found if case not in references]:
        logger.warning("DAR-352: %s: left out, because they have no reference: %s", folder, ", ".join(others))
    return [found[case] for case in references]


def check_grids(predictions: Sequence[Path], references: Mapping[str, Path]) -> None:
    """Read the headers of all pairs and see that each is on one grid, up to order and sense of the axes.

    Raises:
        ValueError: Some are not; the message names each with both grids.
    """
    grids = {case: (str(reference), read_grid(reference)) for case, reference in references.items()}
    check_on_grids(predictions, grids, "references")


def check_on_grids(predictions: Sequence[Path], expected: Mapping[str, tuple[str, Grid]], whose: str) -> None:
    """As `check_grids`, of grids that are known: by case, each with the name of what lies on it.

    Args:
        whose: What lies on these grids, in the plural.

    Raises:
        ValueError: See `check_grids`.
    """
    differing = []
    for prediction, (case, (name, true)) in zip(predictions, expected.items(), strict=True):
        grid = read_grid(prediction)
        if reason := grid_difference(true, grid):
            differing.append(f"{case}: {reason}. {prediction}: {described(grid)}. {name}: {described(true)}")
    if differing:
        raise ValueError(
            "\n  ".join(
                [
                    f"DAR-353: {len(differing)} of {len(expected)} predictions are not on the grids of their "
                    f"{whose}; resample them onto these grids, or correct the headers that are wrong:",
                    *differing,
                ]
            )
        )


def read_patients(table: Path, cases: Sequence[str]) -> list[str]:
    """Return the patient of each case; a case with an empty cell is its own patient.

    Args:
        table: TSV with the columns `case` and `patient`; others, such as those of a cases table, do not matter.

    Raises:
        ValueError: It is no such table, lacks a case, or says two patients of one.
    """
    with reading(table, "expected a table in UTF-8 with the columns case and patient, separated by tabs"):
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    if not {"case", "patient"} <= set(reader.fieldnames):
        raise ValueError(
            f"DAR-355: {table} has the columns {', '.join(reader.fieldnames)}; expected case and patient, separated "
            "by tabs"
        )
    found: dict[str, str] = {}
    for row in reader:
        case, patient = ((row[name] or "").strip() for name in ("case", "patient"))
        if patient.lower() in NOTHING or CONTROL.search(patient):
            raise ValueError(
                f"DAR-355: {table}: case {case} has the patient {patient[:60]!r}; expected a name: leave the cell "
                "empty where a patient has one case"
            )
        if found.setdefault(case, patient or case) != (patient or case):
            raise ValueError(
                f"DAR-355: {table}: case {case} has the patients {found[case]} and {patient or case}; expected one: "
                "correct the rows of this case"
            )
    if missing := [case for case in cases if case not in found]:
        raise ValueError(
            f"DAR-355: {table} has no row for {len(missing)} of {len(cases)} cases: {', '.join(missing)}; a case is "
            "called as its file, without .nii.gz"
        )
    return [found[case] for case in cases]
