"""Overlap and surface distance of one predicted mask, in 3D and in mm."""

import numpy as np
from medpy.metric import binary
from numpy.typing import NDArray


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
    prediction, reference = _as_masks(prediction, reference)
    if not prediction.any() and not reference.any():
        return float("nan")
    return float(binary.dc(prediction, reference))


def average_surface_distance(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> float:
    """Return the symmetric average surface distance (ASD) in mm: MedPy's `assd`.

    The surface of a mask is its voxels with a face on the outside; beyond the volume is outside. MedPy runs
    on the joint bounding box only, which changes no value: every surface voxel lies inside it.

    Args:
        prediction: Mask of shape (depth, height, width), or any other axis order.
        reference: Mask of the same shape and order.
        spacing: Voxel size in mm, in the same axis order.

    Returns:
        Mean over all surface distances of both directions, pooled; NaN where a mask is empty (the caller
        counts those).

    Raises:
        ValueError: The shapes differ.
    """
    prediction, reference = _as_masks(prediction, reference)
    if not prediction.any() or not reference.any():
        return float("nan")
    box = _bounding_box(prediction | reference, margin=1)
    return float(binary.assd(prediction[box], reference[box], voxelspacing=tuple(map(float, spacing))))


def _as_masks(prediction: NDArray, reference: NDArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    prediction, reference = np.asarray(prediction, dtype=bool), np.asarray(reference, dtype=bool)
    if prediction.shape != reference.shape:
        raise ValueError(
            f"Prediction of shape {prediction.shape} and reference of shape {reference.shape} cannot be "
            "compared: bring both to the same grid first"
        )
    return prediction, reference


def _bounding_box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, ...]:
    """Return the slices around the true voxels (at least one), `margin` voxels wider within the volume."""
    box = []
    for axis, size in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        box.append(slice(max(int(occupied[0]) - margin, 0), min(int(occupied[-1]) + margin + 1, size)))
    return tuple(box)
