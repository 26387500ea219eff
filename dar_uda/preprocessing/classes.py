"""A case's label map as classes 1..K, voxel for voxel with its scan."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import reorder_like
from dar_uda.data.grid import Grid
from dar_uda.data.label_numbers import numbers_of
from dar_uda.data.labels import check_label_grid, map_labels
from dar_uda.data.volume import Volume, read_label


def read_classes(
    case: str, label: str | Path, scan: str | Path, original: Grid, values: Sequence[Sequence[int | str]]
) -> NDArray[np.uint8]:
    """Return the class of every voxel of a scan, 0 for background.

    Args:
        case: Name for errors.
        label: Label file, or a folder of PNG files: see `read_label`.
        scan: The image as the user has it.
        original: Its grid.
        values: Label values of each class, or names of structures, see `numbers_of`.

    Raises:
        ValueError: Image and label do not share a grid, or the file is not a label map; case and file are named.
    """
    classes = read_label_map(case, label, scan, values)
    check_label_grid(original, classes.grid, case, label)
    return reorder_like(classes.array, classes.grid, original)


def read_label_map(case: str, label: str | Path, scan: str | Path, values: Sequence[Sequence[int | str]]) -> Volume:
    """Return the classes of a label on its own grid; for the arguments see `read_classes`.

    Raises:
        ValueError: The file is not a label map; case and file are named.
    """
    try:
        numbers = numbers_of(label, values)
        volume = read_label(label, scan, numbers)
        return Volume(map_labels(volume.array, numbers), volume.grid)
    except ValueError as error:
        raise ValueError(f"Case {case} ({label}): {error}") from error
