"""Masks that another program made, brought into the form in which a run keeps those of its own methods."""

import logging
from collections.abc import Mapping, Sequence, Set
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import reorder_like
from dar_uda.data.grid import Grid, read_grids
from dar_uda.data.label_numbers import check_numbering, is_drawn, numbers_of
from dar_uda.data.labels import map_labels
from dar_uda.data.predictions import mask_path
from dar_uda.data.versions import Versions
from dar_uda.data.volume import Volume, read_label, write_mask
from dar_uda.evaluation.folders import check_on_grids
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress

logger = logging.getLogger(__name__)
LISTED = 8
"""How many odd values a message has."""


def read_external_masks(
    cases: Sequence[str],
    scored: Sequence[str],
    found: Sequence[str],
    masks: Sequence[str | Path],
    grids: Sequence[str | Path],
    predictions: str | Path,
    missing: str | Path,
    structures: Sequence[str],
    values: Sequence[Sequence[int | str]],
    has_others: bool,
    versions: str | Path,
) -> None:
    """Write masks that another program made as `predict_cases` writes its own; of a case without one, an empty mask.

    Args:
        cases: Names of all test cases, in the order of the grids.
        scored: Names of those with a label.
        found: Names of those that have a mask, in the order of the masks.
        masks: Label files, each on the grid of its scan up to order and sense of the axes, or DICOM SEG or RTSTRUCT.
        grids: The grids of each case, original and network (written by preprocessing).
        predictions: Output folder of NIfTI label maps of classes 1..K.
        missing: Output TSV, column `case`: the scored cases without a mask.
        structures: Names of the classes.
        values: For each structure the values in the files that make it up, or names, see `numbers_of`; none: no file
            holds it.
        has_others: Whether further values are background, as of a program that segments other organs too.
        versions: The table of `Versions`, which gets a row for every file.

    Raises:
        ValueError: Masks lie on other grids than their scans, or hold values that no structure has, or none that any
            has, or number their segments each in its own way: the message names the files.
    """
    originals = {case: read_grids(path)[0] for case, path in zip(cases, grids, strict=True)}
    files = dict(zip(found, map(Path, masks), strict=True))
    plain = [case for case in found if not is_drawn(files[case])]
    check_on_grids([files[case] for case in plain], {case: ("its scan", originals[case]) for case in plain}, "scans")
    check_numbering([files[case] for case in found if case not in plain], values)
    absent = [case for case in scored if case not in files]
    if absent:
        logger.warning(
            "DAR-359: %d of %d scored test cases have no mask, and count as empty masks with Dice 0: %s",
            *(len(absent), len(scored), ", ".join(absent)),
        )
    if others := [case for case in cases if case not in files and case not in scored]:
        logger.warning("DAR-359: Cases with neither a mask nor a label to score one: %s", ", ".join(others))
    progress = Progress("read masks", len(cases), unit="case")
    held: set[int] = set()
    structures_held: set[str] = set()
    for done, (case, grid) in enumerate(originals.items(), start=1):
        mask = np.zeros(grid.shape, np.uint8)
        if case in files:
            numbers = numbers_of(files[case], values)
            label = _read_label(files[case], grid, numbers)
            mask = _classes(case, files[case], label, grid, numbers)
            present = set(np.rint(np.unique(label.array)).astype(int).tolist())
            structures_held |= {structures[k] for k, own in enumerate(numbers) if not present.isdisjoint(own)}
            if not has_others:
                _check_known(case, files[case], present, structures, numbers)
            held |= present
        write_mask(mask_path(predictions, case), mask, grid)
        progress.report(done)
    if files:
        _check_held(files, held, structures_held, dict(zip(structures, values, strict=True)), has_others)
    for file in files.values():
        Versions(versions).note(str(file), is_label=True)
    with write_beside(missing) as partial:
        partial.write_text("".join(f"{line}\n" for line in ("case", *absent)), encoding="utf-8")


def _read_label(path: Path, grid: Grid, numbers: Sequence[Sequence[int]]) -> Volume:
    """Return a mask; a SEG or RTSTRUCT on the grid of the scan, with the structures of these numbers alone."""
    if not is_drawn(path):
        return read_label(path, path)
    from dar_uda.data.dicom.labels import read_drawn

    return Volume(read_drawn(path, None, grid, numbers), grid)


def _classes(
    case: str, path: Path, label: Volume, original: Grid, values: Sequence[Sequence[int]]
) -> NDArray[np.uint8]:
    """Return the class of every voxel of a case's scan, 0 for background."""
    try:
        classes = map_labels(label.array, values)
    except ValueError as error:
        raise ValueError(f"Case {case} ({path}): {error}") from error
    return np.ascontiguousarray(reorder_like(classes, label.grid, original))


def _check_known(
    case: str, path: Path, present: Set[int], structures: Sequence[str], values: Sequence[Sequence[int]]
) -> None:
    """Stop where a file holds a value that no structure has."""
    if odd := present - {0, *chain.from_iterable(values)}:
        raise ValueError(
            f"DAR-358: Case {case}: {path} holds the values {_listed(odd)}, which no structure has; "
            f"expected {_in_words(structures, values)}, and 0 for background. If the file has other values for the "
            "structures, give this row `labels` in the config: then all other values are background"
        )


def _check_held(
    files: Mapping[str, Path],
    held: Set[int],
    structures_held: Set[str],
    values: Mapping[str, Sequence[int | str]],
    has_others: bool,
) -> None:
    """Warn of structures of which no file holds a value; stop where `labels` gives values, and the files hold none."""
    given = {name: of_one for name, of_one in values.items() if of_one}
    lacking = {name: of_one for name, of_one in given.items() if name not in structures_held}
    if not lacking:
        return
    expected, found = _in_words(list(lacking), list(lacking.values())), _listed(held)
    if has_others and lacking == given:
        raise ValueError(
            f"DAR-193: No mask of this row, such as {next(iter(files.values()))}, holds a structure of its `labels`: "
            f"expected {expected}, found the values {found}. Correct `labels` of the row in the config, or the files"
        )
    logger.warning(
        "DAR-194: No mask holds %s: found the values %s. If these structures have other values in the files, correct "
        "`labels` of this row in the config",
        *(expected, found),
    )


def _in_words(structures: Sequence[str], values: Sequence[Sequence[int | str]]) -> str:
    """Return the values of structures, such as `liver 6, spleen 1 or 2`."""
    return ", ".join(f"{name} {' or '.join(map(str, of_one))}" for name, of_one in zip(structures, values, strict=True))


def _listed(values: Set[int]) -> str:
    """Return the lowest values of a file, and whether there are more."""
    return ", ".join(map(str, sorted(values)[:LISTED])) + (", ..." if len(values) > LISTED else "")
