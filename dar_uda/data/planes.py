"""In which plane a scan is cut, and whether scans are cut alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import slice_axis_of
from dar_uda.data.grid import Grid

PLANES = ("sagittal", "coronal", "axial")
"""By the world axis (x, y, z) across the slices."""
OBLIQUE = 0.8
"""Cosine between the normal and every world axis below which a plane is oblique, as in GDCM."""
ALIKE = 45.0
"""Scans whose normals differ by at most this many degrees are cut alike: short-axis stacks of hearts vary by 30."""


def normal_of(grid: Grid, slice_axis: int | None = None) -> NDArray[np.float64]:
    """Return the unit vector (RAS) at right angles to the slices; for `slice_axis` see `slice_axis_of`."""
    axis, _ = slice_axis_of(grid, slice_axis)
    first, second = (grid.affine[:3, other] for other in range(3) if other != axis)
    normal = np.cross(first, second)
    return normal / np.linalg.norm(normal)


def plane_of(normal: Sequence[float]) -> str:
    """Return the name of the plane with this unit normal: axial, coronal, sagittal or oblique."""
    cosines = np.abs(normal)
    return PLANES[int(cosines.argmax())] if cosines.max() >= OBLIQUE else "oblique"


def angle_between(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the angle in degrees, 0 to 90, between two planes with these unit normals."""
    return float(np.degrees(np.arccos(min(1.0, abs(float(np.dot(one, other)))))))


def usual_normal(normals: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the normal to which most of the others are alike; of several such, the nearest to all."""
    angles = np.degrees(np.arccos(np.minimum(1.0, np.abs(np.array(normals) @ np.array(normals).T))))
    return normals[int(np.lexsort((angles.sum(axis=1), -(angles <= ALIKE).sum(axis=1)))[0])]


def axis_alike(grid: Grid, normal: Sequence[float]) -> int:
    """Return the slice axis with which a scan is cut most like the plane with this unit normal."""
    return min(range(3), key=lambda axis: angle_between(normal_of(grid, axis), normal))
