"""Distances between two sets of voxels of one grid, in mm."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

RIGHT_ANGLE = 1e-5
"""Largest cosine between axes that count as perpendicular: headers round more than this."""

ROWS = 256
"""Rows around a voxel in which the nearest is sought: those within about 9 mm with voxels of 1 mm."""

BLOCK, SETTLED = 32, 0.1
"""Where so many further rows settle less than this part of the open voxels, a k-d tree is faster for the rest."""

REACH = 48
"""Voxels along each axis within which these rows lie."""

NONE = 16000
"""Voxels to the next mark of a row that has none."""


def nearest_distances(
    marked: NDArray[np.bool_], others: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance in mm of each marked voxel to the nearest of the others, in the order of `np.argwhere`.

    Rows of voxels are looked at from the nearest to the farthest, until no further row can hold a nearer voxel. A k-d
    tree searches for what is too far away for that, and for everything where no axis is perpendicular to the other two.
    Both are exact.

    Args:
        marked: Voxels from which distances are measured, (a, b, c).
        others: Voxels to which they are measured, of the same shape; at least one.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3).
    """
    indices = np.argwhere(marked)
    distances = np.full(len(indices), np.inf)
    axis = _axis_of_rows(matrix)
    if axis is not None:
        order = [axis, *(other for other in range(3) if other != axis)]
        distances = _along_rows(indices[:, order], others.transpose(order), matrix[:, order])
    far = np.isinf(distances)
    if far.any():
        # A balanced tree with tight boxes takes longer to build than it saves in searching.
        tree = KDTree(np.argwhere(others) @ matrix.T, leafsize=16, balanced_tree=False, compact_nodes=False)
        distances[far] = tree.query(indices[far] @ matrix.T)[0]
    return distances


def _axis_of_rows(matrix: NDArray[np.float64]) -> int | None:
    """Return the axis of the finest spacing among those that are perpendicular to the other two."""
    spacing = np.linalg.norm(matrix, axis=0)
    cosines = np.abs(matrix.T @ matrix) / np.outer(spacing, spacing) - np.eye(3)
    perpendicular = np.flatnonzero(cosines.max(axis=0) < RIGHT_ANGLE)
    return int(min(perpendicular, key=spacing.__getitem__)) if len(perpendicular) else None


def _along_rows(
    indices: NDArray[np.intp], others: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return distances in mm, infinite where a voxel outside the nearest rows could be the nearest.

    The rows run along the first axis.
    """
    offsets, apart = _nearest_rows(matrix[:, 1:].tobytes())
    pad = [0, *np.abs(offsets).max(axis=0)]
    gaps = _gaps_in_rows(np.pad(others, [(size, size) for size in pad]))
    squares = (np.arange(NONE + 1) * np.linalg.norm(matrix[:, 0])) ** 2
    strides = gaps.shape[1] * gaps.shape[2], gaps.shape[2], 1
    gaps, places = gaps.ravel(), (indices + pad) @ strides
    found, open_ = np.full(len(indices), np.inf), np.arange(len(indices))
    best = found
    for first in range(0, len(offsets), BLOCK):
        before, block = len(open_), slice(first, first + BLOCK)
        for step, square in zip(offsets[block] @ strides[1:], apart[block], strict=True):
            settled = best <= square
            if settled.any():
                found[open_[settled]] = best[settled]
                open_, best, places = open_[~settled], best[~settled], places[~settled]
            best = np.minimum(best, squares[gaps[places + step]] + square)
        if len(open_) >= (1 - SETTLED) * before:
            break
    found[open_] = np.where(best <= square, best, np.inf)
    return np.sqrt(found)


def _gaps_in_rows(marked: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return how many voxels along the first axis each voxel lies from the nearest mark: NONE without one."""
    gaps = np.where(marked, np.int16(0), np.int16(NONE))
    for swept in (gaps, gaps[::-1]):
        for place in range(1, len(swept)):
            np.minimum(swept[place], swept[place - 1] + np.int16(1), out=swept[place])
    return gaps


@lru_cache(maxsize=8)
def _nearest_rows(matrix: bytes) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the offsets in voxels of the rows around a voxel, (rows, 2), from the nearest, and their squares in mm2.

    None is missing between.
    """
    steps = np.frombuffer(matrix).reshape(3, 2).T
    offsets = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    squared = ((offsets @ steps) ** 2).sum(axis=1)
    complete = REACH * np.linalg.norm(np.cross(*steps)) / np.linalg.norm(steps, axis=1).max()
    order = np.argsort(squared, kind="stable")[:ROWS]
    order = order[squared[order] <= complete**2]
    return offsets[order], squared[order]
