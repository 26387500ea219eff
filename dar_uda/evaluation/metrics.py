"""The metrics of predicted structures, in 3D and in mm."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from dar_uda.evaluation.overlap import bounding_box, check_shapes, dice, relative_volume_difference, volume_ml
from dar_uda.evaluation.surface_area import average_distance_by_area, compare_surfels, normalized_surface_dice
from dar_uda.evaluation.surfaces import average_surface_distance, hausdorff_95, surface_distances


class Score(NamedTuple):
    """The metrics of one structure; NaN where it has none.

    Attributes:
        dice: See `dice`: 0 where exactly one mask is empty, NaN where both are.
        asd_mm: See `average_surface_distance`: NaN where a mask is empty.
        hd95_mm: See `hausdorff_95`: NaN where a mask is empty.
        nsd: See `normalized_surface_dice`: 0 where exactly one mask is empty, NaN where both are, and without a
            tolerance.
        asd_area_mm: See `average_distance_by_area`: NaN where a mask is empty.
        rvd: See `relative_volume_difference`: -1 where only the prediction is empty, NaN where the reference is.
        reference_ml: Volume of the reference, 0 where it is empty.
        predicted_ml: Volume of the prediction, 0 where it is empty.
    """

    dice: float
    asd_mm: float
    hd95_mm: float
    nsd: float
    asd_area_mm: float
    rvd: float
    reference_ml: float
    predicted_ml: float


def score_structures(
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    tolerances: Sequence[float | None],
) -> list[Score]:
    """Return the scores of structures 1, 2, ..., each measured within its joint bounding box only.

    Args:
        prediction: Label map of shape (depth, height, width), or any other axis order.
        reference: Label map of the same shape and order.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3).
        tolerances: Of the NSD in mm, for each structure; None: it has none. Higher labels are ignored.

    Raises:
        ValueError: The shapes differ.
    """
    check_shapes(prediction, reference)
    foreground = bounding_box(prediction | reference)
    prediction, reference = prediction[foreground], reference[foreground]
    scores = []
    boxes = (find_objects(labels, len(tolerances)) for labels in (prediction, reference))
    for structure, (*pair, tolerance) in enumerate(zip(*boxes, tolerances, strict=True), start=1):
        box = _joint_box([box for box in pair if box is not None])
        scores.append(_score(prediction[box] == structure, reference[box] == structure, matrix, tolerance))
    return scores


def _score(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], matrix: NDArray[np.float64], tolerance: float | None
) -> Score:
    distances = surface_distances(prediction, reference, matrix)
    surfels = compare_surfels(prediction, reference, matrix)
    reference_ml, predicted_ml = volume_ml(reference, matrix), volume_ml(prediction, matrix)
    return Score(
        dice=dice(prediction, reference),
        asd_mm=average_surface_distance(distances),
        hd95_mm=hausdorff_95(distances),
        nsd=normalized_surface_dice(surfels, tolerance),
        asd_area_mm=average_distance_by_area(surfels),
        rvd=relative_volume_difference(predicted_ml, reference_ml),
        reference_ml=reference_ml,
        predicted_ml=predicted_ml,
    )


def _joint_box(boxes: list[tuple[slice, ...]]) -> tuple[slice, ...]:
    """Return the smallest box around all boxes; without any, the index of a whole array."""
    return tuple(slice(min(s.start for s in sides), max(s.stop for s in sides)) for sides in zip(*boxes, strict=True))
