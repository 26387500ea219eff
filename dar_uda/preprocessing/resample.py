"""Resampling between two grids."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Interpolation = Literal["linear", "nearest"]


def resample(
    array: NDArray,
    affine_from: NDArray[np.float64],
    affine_to: NDArray[np.float64],
    shape_to: tuple[int, int, int],
    interpolation: Interpolation,
    fill: float = 0,
) -> NDArray:
    """Return `array` on another grid: orientation, spacing, padding and cropping in one step.

    SimpleITK works on voxel indices here, with one affine transform between the two, so that grids with shear
    or flips need no orthonormal directions.

    Args:
        array: Values in the axis order of `affine_from`.
        affine_from: (4, 4), index to mm of the grid of `array`.
        affine_to: (4, 4), index to mm of the grid asked for.
        shape_to: Its shape, in the axis order of `affine_to`.
        interpolation: `linear` for images and probabilities, `nearest` for labels.
        fill: Value outside the field of view of `array` (beyond the outer faces of its voxels).

    Returns:
        Array of shape `shape_to` and the type of `array`.
    """
    import SimpleITK as sitk

    interpolators = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor}
    step = np.linalg.solve(affine_from, affine_to)
    transform = sitk.AffineTransform(step[:3, :3].ravel().tolist(), step[:3, 3].tolist())
    moved = sitk.Resample(
        sitk.GetImageFromArray(array.T),
        [int(size) for size in shape_to],
        transform,
        interpolators[interpolation],
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        np.eye(3).ravel().tolist(),
        float(fill),
    )
    return sitk.GetArrayFromImage(moved).T
