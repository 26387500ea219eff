"""Checks of one label map."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dar_uda.data.checks.finding import (
    ABSENT,
    FEW_VOXELS,
    NO_STRUCTURE,
    NOT_WHOLE,
    OTHER_GRID,
    OTHER_VALUES,
    SAME_FILE,
)
from dar_uda.data.checks.image import Problem
from dar_uda.data.grid import Grid
from dar_uda.data.label_numbers import numbers_of
from dar_uda.data.labels import ROUNDING, check_label_grid
from dar_uda.data.volume import read_label, read_label_grid
from dar_uda.data.volume_index import file_of

FEW = 10
LISTED = 8
HIGHEST = 65535


def problems_of_label_grid(path: Path, scan: Path, grid: Grid, case: str) -> Iterator[Problem]:
    """Yield whether a label's voxels are those of its scan, told from the headers.

    Raises:
        ValueError: The label cannot be read.
    """
    found = read_label_grid(path, scan)
    try:
        check_label_grid(grid, found, case, path)
    except ValueError as error:
        yield OTHER_GRID, str(error)


def problems_of_label_values(
    path: Path, scan: Path, values: Sequence[Sequence[int | str]] | None, describe: bool
) -> Iterator[Problem]:
    """Yield what is wrong with a label map's values.

    Args:
        values: Label values of every structure, or names, see `numbers_of`; None: every value but 0 is one.
        describe: Whether to say which values and structures it holds, or only whether it is a map of known values.

    Raises:
        ValueError: The label cannot be read.
    """
    if path == scan or (path.exists() and path.samefile(file_of(scan))):
        yield SAME_FILE, str(path)
        return
    known = None if values is None else numbers_of(path, values)
    array = read_label(path, scan, known).array
    if not np.isfinite(array).all() or array.max() > HIGHEST or np.abs(array - np.rint(array)).max() > ROUNDING:
        yield NOT_WHOLE, str(path)
        return
    numbers, counts = np.unique(np.rint(array).astype(np.int64), return_counts=True)
    voxels = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    groups = [[value] for value in voxels if value] if known is None else known
    named = {value for group in groups for value in group} | {0}
    if others := [value for value in voxels if value not in named]:
        more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
        yield OTHER_VALUES, f"{path}: {_listed(others)}{more}" if describe else str(path)
    if not describe:
        return
    sizes = [sum(voxels.get(value, 0) for value in group) for group in groups]
    if not any(sizes):
        yield NO_STRUCTURE, str(path)
    written = groups if values is None else values
    yield from ((ABSENT, _listed(group)) for group, size in zip(written, sizes, strict=True) if not size)
    few = [(group, size) for group, size in zip(written, sizes, strict=True) if 0 < size < FEW]
    for group, size in few[:LISTED]:
        yield FEW_VOXELS, f"{path}: {size} voxels of value {_listed(group)}"
    if len(few) > LISTED:
        yield FEW_VOXELS, f"{path}: and {len(few) - LISTED} values more"


def _listed(values: Sequence[int | str]) -> str:
    return ", ".join(map(str, values[:LISTED]))
