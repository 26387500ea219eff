"""Distances between the surfaces of two masks weighted by area, as DeepMind's `surface-distance` measures them.

Source: Nikolov et al., Clinically applicable segmentation of head and neck anatomy for radiotherapy, 2021
(doi:10.2196/26151).
"""

from functools import lru_cache
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from dar_uda.evaluation.nearest import nearest_distances
from dar_uda.evaluation.overlap import check_shapes

ROUNDING_MM = 1e-4
"""How far beyond the tolerance a distance still counts: headers round more than this."""

PLACES = np.array([1, 2, 4, 8, 16, 32, 64, 128], np.uint8).reshape(2, 2, 2)
"""What each voxel of a 2 x 2 x 2 neighborhood adds to its code."""

# The surface around voxels of a cube of 2 x 2 x 2 that are connected by faces, between their centers and those of the
# others: planar parts as 8 times their area vectors (normal times area, in voxels). By symmetry, these are all groups
# of up to four voxels. The hexagon of the last is not planar: every other of its corners is joined, as in marching
# cubes.
PARTS: dict[tuple[tuple[int, int, int], ...], list[tuple[int, int, int]]] = {
    ((0, 0, 0),): [(1, 1, 1)],
    ((0, 0, 0), (1, 0, 0)): [(0, 4, 4)],
    ((0, 0, 0), (1, 0, 0), (0, 1, 0)): [(0, 0, 4), (3, 3, 3)],
    ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)): [(0, 0, 8)],
    ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)): [(6, 6, 6)],
    ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)): [(0, 2, 2), (-1, -1, 1), (-2, 2, 0), (-3, 3, 3)],
}


class Surfels(NamedTuple):
    """Surface elements of both masks: one for each 2 x 2 x 2 neighborhood with voxels in and outside the mask.

    Attributes:
        distances: From each to the nearest of the other mask, in mm; infinite where that is empty.
        areas: In mm2.
    """

    distances: NDArray[np.float64]
    areas: NDArray[np.float64]


def compare_surfels(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> Surfels:
    """Return the surface elements of both masks, the prediction's first.

    Beyond the volume is outside: where the edge of the scan cuts a structure, the cut belongs to the surface.

    Args:
        prediction: Mask of shape (depth, height, width), or any other axis order.
        reference: Mask of the same shape and order.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3).

    Raises:
        ValueError: The shapes differ.
    """
    check_shapes(prediction, reference)
    codes = [_codes(mask) for mask in (prediction, reference)]
    first, second = ((code > 0) & (code < PLACES.sum()) for code in codes)
    areas = areas_of_codes(matrix)
    return Surfels(
        np.concatenate([_distances(first, second, matrix), _distances(second, first, matrix)]),
        np.concatenate([areas[codes[0][first]], areas[codes[1][second]]]),
    )


def average_distance_by_area(surfels: Surfels) -> float:
    """Return the symmetric average surface distance in mm, weighted by area.

    The same error counts the same in every direction, also on thick slices.

    Returns:
        Mean over the surface elements of both masks, pooled; NaN where a mask is empty.
    """
    if not len(surfels.distances) or np.isinf(surfels.distances).any():
        return float("nan")
    return float(np.average(surfels.distances, weights=surfels.areas))


def normalized_surface_dice(surfels: Surfels, tolerance: float | None) -> float:
    """Return the normalized surface Dice (NSD): the part of both surfaces within the tolerance, from 0 to 1.

    Args:
        surfels: Of both masks.
        tolerance: Largest distance in mm that counts as agreement; None: there is none.

    Returns:
        Area within the tolerance over area of all; 0 where exactly one mask is empty; NaN where both are, or without a
        tolerance.
    """
    if tolerance is None or not len(surfels.distances):
        return float("nan")
    agreeing = surfels.distances <= tolerance + ROUNDING_MM
    return float(surfels.areas[agreeing].sum() / surfels.areas.sum())


def areas_of_codes(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area in mm2 of the surface in a neighborhood of each code, (256,).

    An area vector of the voxels becomes one of the world by the cofactors of the matrix.
    """
    cofactors = np.linalg.det(matrix) * np.linalg.inv(matrix)
    return np.linalg.norm(_area_vectors() @ cofactors, axis=-1).sum(axis=-1)


def _distances(
    marked: NDArray[np.bool_], others: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the nearest distances, infinite where there are no others."""
    return nearest_distances(marked, others, matrix) if others.any() else np.full(np.count_nonzero(marked), np.inf)


def _codes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return for each corner of the voxels which of the eight voxels around it belong to the mask.

    Shape:
        (a, b, c) to (a + 1, b + 1, c + 1).
    """
    codes = np.pad(mask, 1).view(np.uint8)
    codes = codes[:, :, :-1] | codes[:, :, 1:] << 1
    codes = codes[:, :-1] | codes[:, 1:] << 2
    return codes[:-1] | codes[1:] << 4


@lru_cache(maxsize=1)
def _area_vectors() -> NDArray[np.float64]:
    """Return the area vectors of the surface in a neighborhood of each code, in voxels, (256, 4, 3)."""
    connected = {}
    for order, flips in product(permutations(range(3)), product((0, 1), repeat=3)):
        signs = 1 - 2 * np.array(flips)
        for voxels, parts in PARTS.items():
            moved = np.array(voxels)[:, order] ^ flips
            connected[int(PLACES[tuple(moved.T)].sum())] = np.array(parts)[:, order] * signs / 8
    vectors = np.zeros((256, 4, 3))
    for code in range(1, 255):
        inside = (PLACES & code) > 0
        groups, count = label(inside if inside.sum() <= 4 else ~inside)
        parts = np.concatenate([connected[int(PLACES[groups == group].sum())] for group in range(1, count + 1)])
        vectors[code, : len(parts)] = parts
    return vectors
