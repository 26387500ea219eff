"""The metrics of predicted structures, in 3D and in mm."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from dar_uda.evaluation.overlap import check_shapes, dice, relative_volume_difference, volume_ml
from dar_uda.evaluation.surfaces import average_surface_distance, hausdorff_95, surface_distances


class Score(NamedTuple):
    """The metrics of one structure; NaN where it has none.

    Attributes:
        dice: See `dice`: 0 where exactly one mask is empty, NaN where both are.
        asd_mm: See `average_surface_distance`: NaN where a mask is empty.
        hd95_mm: See `hausdorff_95`: NaN where a mask is empty.
        rvd: See `relative_volume_difference`: -1 where only the prediction is empty, NaN where the reference is.
        reference_ml: Volume of the reference, 0 where it is empty.
        predicted_ml: Volume of the prediction, 0 where it is empty.
    """

    dice: float
    asd_mm: float
    hd95_mm: float
    rvd: float
    reference_ml: float
    predicted_ml: float


def score_structures(
    prediction: NDArray[np.uint8], reference: NDArray[np.uint8], count: int, matrix: NDArray[np.float64]
) -> list[Score]:
    """Return the scores of structures 1 to `count`, each measured within its joint bounding box only.

    Args:
        prediction: Label map of shape (depth, height, width), or any other axis order.
        reference: Label map of the same shape and order.
        count: Number of structures; higher labels are ignored.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3).

    Raises:
        ValueError: The shapes differ.
    """
    check_shapes(prediction, reference)
    foreground = _bounding_box(prediction | reference)
    prediction, reference = prediction[foreground], reference[foreground]
    scores = []
    boxes = zip(find_objects(prediction, count), find_objects(reference, count), strict=True)
    for structure, pair in enumerate(boxes, start=1):
        box = _joint_box([box for box in pair if box is not None])
        scores.append(_score(prediction[box] == structure, reference[box] == structure, matrix))
    return scores


def _score(prediction: NDArray[np.bool_], reference: NDArray[np.bool_], matrix: NDArray[np.float64]) -> Score:
    distances = surface_distances(prediction, reference, matrix)
    reference_ml, predicted_ml = volume_ml(reference, matrix), volume_ml(prediction, matrix)
    return Score(
        dice=dice(prediction, reference),
        asd_mm=average_surface_distance(distances),
        hd95_mm=hausdorff_95(distances),
        rvd=relative_volume_difference(predicted_ml, reference_ml),
        reference_ml=reference_ml,
        predicted_ml=predicted_ml,
    )


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
