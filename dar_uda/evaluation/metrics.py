"""Overlap and surface distance of predicted structures, in 3D and in mm."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, find_objects
from scipy.spatial import KDTree


class Score(NamedTuple):
    """Dice and average surface distance in mm of one structure, NaN as `dice` and `average_surface_distance` say."""

    dice: float
    asd_mm: float


def score_structures(
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    count: int,
    spacing: tuple[float, float, float],
) -> list[Score]:
    """Return the scores of structures 1 to `count`, each measured within its joint bounding box only.

    Args:
        prediction: Label map of shape (depth, height, width), or any other axis order.
        reference: Label map of the same shape and order.
        count: Number of structures; higher labels are ignored.
        spacing: Voxel size in mm, in the same axis order.

    Raises:
        ValueError: The shapes differ.
    """
    _check_shapes(prediction, reference)
    foreground = _bounding_box(prediction | reference)
    prediction, reference = prediction[foreground], reference[foreground]
    scores = []
    boxes = zip(find_objects(prediction, count), find_objects(reference, count), strict=True)
    for structure, pair in enumerate(boxes, start=1):
        box = _joint_box([box for box in pair if box is not None])
        masks = prediction[box] == structure, reference[box] == structure
        scores.append(Score(dice(*masks), average_surface_distance(*masks, spacing)))
    return scores


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
    total = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return float(2 * np.count_nonzero(prediction & reference) / total) if total else float("nan")


def average_surface_distance(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> float:
    """Return the symmetric average surface distance (ASD) in mm, as MedPy's `assd` defines it.

    The surface of a mask is its voxels with a face on the outside; beyond the volume is outside. Nearest
    surface voxels come from a k-d tree: what counts is the size of the surfaces, not that of the volume.

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
    box = _bounding_box(prediction | reference)
    first, second = _surface(prediction[box]) * spacing, _surface(reference[box]) * spacing
    distances = [_nearest(first, second), _nearest(second, first)]
    return float(np.concatenate(distances).mean())


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the indices, (voxels, axes), of the mask's voxels with a face outside it."""
    return np.argwhere(mask & ~binary_erosion(mask))


def _nearest(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of every point to the nearest of the others."""
    # A balanced tree with tight boxes takes longer to build than it saves in searching.
    tree = KDTree(others, leafsize=16, balanced_tree=False, compact_nodes=False)
    return tree.query(points)[0]


def _bounding_box(array: NDArray) -> tuple[slice, ...]:
    """Return the slices around all values other than 0; empty slices where there are none."""
    box = []
    for axis in range(array.ndim):
        occupied = np.flatnonzero(array.any(axis=tuple(other for other in range(array.ndim) if other != axis)))
        box.append(slice(occupied[0], occupied[-1] + 1) if len(occupied) else slice(0))
    return tuple(box)


def _joint_box(boxes: list[tuple[slice, ...]]) -> tuple[slice, ...]:
    """Return the smallest box around all boxes; without any, the index of a whole array."""
    return tuple(slice(min(s.start for s in sides), max(s.stop for s in sides)) for sides in zip(*boxes, strict=True))


def _as_masks(prediction: NDArray, reference: NDArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    _check_shapes(prediction, reference)
    return np.asarray(prediction, dtype=bool), np.asarray(reference, dtype=bool)


def _check_shapes(prediction: NDArray, reference: NDArray) -> None:
    if prediction.shape != reference.shape:
        raise ValueError(
            f"DAR-360: Prediction of shape {prediction.shape} and reference of shape {reference.shape} cannot be "
            "compared: bring both to the same grid first"
        )
