"""From the label values of a dataset to classes 1..K."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    listed = [value for group in values for value in group]
    if len(listed) != len(set(listed)) or len(values) > 255:
        raise ValueError(f"Label values {values}: expected every value once and at most 255 classes")
    if array.dtype.kind == "f":
        rounded = np.rint(array)
        if not np.all(np.abs(array - rounded) <= ROUNDING):
            raise ValueError(
                "Label map holds values that are no whole numbers: expected the label file, uninterpolated"
            )
        array = rounded
    classes = np.zeros_like(array, dtype=np.uint8, subok=False)
    for index, group in enumerate(values, start=1):
        for value in group:
            classes[array == value] = index
    return classes
