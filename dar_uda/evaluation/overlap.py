"""Overlap and volumes of two masks."""

import numpy as np
from numpy.typing import NDArray

MM3_PER_ML = 1000


def dice(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient 2 |P and T| / (|P| + |T|), from 0 to 1.

    Args:
        prediction: Mask of shape (depth, height, width), or any other axis order.
        reference: Mask of the same shape and order.

    Returns:
        0 where exactly one mask is empty, NaN where both are (the case says nothing about this structure).

    Raises:
        ValueError: The shapes differ.
    """
    check_shapes(prediction, reference)
    total = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return float(2 * np.count_nonzero(prediction & reference) / total) if total else float("nan")


def volume_ml(mask: NDArray[np.bool_], matrix: NDArray[np.float64]) -> float:
    """Return the volume of a mask in ml, 0 where it is empty.

    Args:
        mask: Mask of any shape.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3). Its determinant is the volume of a
            voxel, also where the axes are not perpendicular (gantry tilt).
    """
    return float(np.count_nonzero(mask) * abs(np.linalg.det(matrix)) / MM3_PER_ML)


def relative_volume_difference(predicted: float, reference: float) -> float:
    """Return (predicted - reference) / reference, from -1: positive where the prediction is too large.

    -1 where only the prediction is empty; NaN where the reference is.
    """
    return (predicted - reference) / reference if reference else float("nan")


def check_shapes(prediction: NDArray, reference: NDArray) -> None:
    """Raise where two arrays cannot be compared voxel by voxel.

    Raises:
        ValueError: Their shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ValueError(
            f"DAR-360: Prediction of shape {prediction.shape} and reference of shape {reference.shape} cannot be "
            "compared: bring both to the same grid first"
        )


def bounding_box(array: NDArray) -> tuple[slice, ...]:
    """Return the slices around all values other than 0; empty slices where there are none."""
    box = []
    for axis in range(array.ndim):
        occupied = np.flatnonzero(array.any(axis=tuple(other for other in range(array.ndim) if other != axis)))
        box.append(slice(occupied[0], occupied[-1] + 1) if len(occupied) else slice(0))
    return tuple(box)
