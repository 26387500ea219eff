"""From the label values of a dataset to classes 1..K."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import check_same_grid
from dar_uda.data.grid import Grid

EXPORT = (
    "in Slicer, module Segmentations, Export/import models and labelmaps: export it as a labelmap with the scan as "
    "reference volume (Advanced), and save that"
)
"""What to do with a segmentation of Slicer that is cropped to its segments, or has layers."""
ROUNDING = 1e-3
"""How far a stored label may lie from a whole number (files with a slope)."""


def map_labels(array: NDArray, values: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """Return the class of every voxel: k where its value is in the k-th list (from 1), 0 elsewhere.

    Args:
        array: Label values, of any numeric type and shape.
        values: One list of label values per class, in the order of the classes.

    Raises:
        ValueError: A value stands for two classes, or the array holds values that are no whole numbers.
    """
    check_label_values(values)
    if array.dtype.kind == "f":
        rounded = np.rint(array)
        if not np.all(np.abs(array - rounded) <= ROUNDING):
            raise ValueError(
                "DAR-182: Label map holds values that are no whole numbers: expected the label file, uninterpolated"
            )
        array = rounded
    classes = np.zeros_like(array, dtype=np.uint8, subok=False)
    for index, group in enumerate(values, start=1):
        for value in group:
            classes[array == value] = index
    return classes


def check_label_values(values: Sequence[Sequence[int]]) -> None:
    """Raise where lists of label values, one per class, cannot be told apart or counted.

    Raises:
        ValueError: A value stands for two classes, or there are more classes than a byte holds.
    """
    listed = [value for group in values for value in group]
    if len(listed) != len(set(listed)) or len(values) > 255:
        raise ValueError(f"DAR-181: Label values {values}: expected every value once and at most 255 classes")


def check_label_grid(image: Grid, label: Grid, case: str, path: str | Path) -> None:
    """Raise where a label's voxels are not the image's, see `check_same_grid`.

    Args:
        path: The label file, for the error.

    Raises:
        ValueError: Naming case and file, both grids and what to do.
    """
    try:
        check_same_grid(image, label, case)
    except ValueError as error:
        cropped = f" Slicer crops a segmentation to its segments: {EXPORT}." if is_slicer(path) else ""
        raise ValueError(f"{error} The label is {path}.{cropped}") from error


def is_slicer(path: str | Path) -> bool:
    """Return whether a file is a segmentation as Slicer saves it."""
    return str(path).lower().endswith(".seg.nrrd")
