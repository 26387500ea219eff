"""Distances between the surfaces of two masks, as MedPy measures them: from surface voxel to surface voxel."""

import numpy as np
from numpy.typing import NDArray

from dar_uda.evaluation.nearest import nearest_distances
from dar_uda.evaluation.overlap import check_shapes


def surface_distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances in mm from each surface to the other, of both directions in one array.

    The surface of a mask is its voxels with a face on the outside. Beyond the volume is outside, as in MedPy: where the
    edge of the scan cuts a structure, the cut belongs to both surfaces, and its distances are near 0.

    Args:
        prediction: Mask of shape (depth, height, width), or any other axis order.
        reference: Mask of the same shape and order.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3): of the affine, so that axes that are
            not perpendicular (gantry tilt) count as they are.

    Returns:
        A distance per surface voxel, the prediction's first; none where a mask is empty.

    Raises:
        ValueError: The shapes differ.
    """
    check_shapes(prediction, reference)
    if not prediction.any() or not reference.any():
        return np.empty(0)
    first, second = _surface(prediction), _surface(reference)
    return np.concatenate([nearest_distances(first, second, matrix), nearest_distances(second, first, matrix)])


def average_surface_distance(distances: NDArray[np.float64]) -> float:
    """Return the symmetric average surface distance (ASD) in mm, as MedPy's `assd` defines it.

    Every surface voxel counts the same. On thick slices the value depends on the direction: surfaces across the slices
    have fewer voxels per area than surfaces along them.

    Args:
        distances: What `surface_distances` returns: both directions, pooled.

    Returns:
        Their mean; NaN without distances (the caller counts those).
    """
    return float(distances.mean()) if len(distances) else float("nan")


def hausdorff_95(distances: NDArray[np.float64]) -> float:
    """Return the 95th percentile of the symmetric Hausdorff distance (HD95) in mm, as MedPy's `hd95` defines it.

    Args:
        distances: What `surface_distances` returns: both directions, pooled.

    Returns:
        The distance below which 95 % of them lie, interpolated linearly; NaN without distances.
    """
    return float(np.percentile(distances, 95)) if len(distances) else float("nan")


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask's voxels with a face outside it."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        along, voxels = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        along[1:] &= voxels[:-1]
        along[:-1] &= voxels[1:]
        along[[0, -1]] = False
    return mask & ~inner
