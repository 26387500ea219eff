"""Distances between two sets of voxels of one grid, in mm."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from dar_uda.evaluation.overlap import bounding_box
from dar_uda.evaluation.separable import separable_distances

RIGHT_ANGLE = 1e-5
"""Largest cosine between axes that count as perpendicular: headers round more than this."""

ROWS = 256
"""Rows around a voxel in which the nearest is sought: those within about 9 mm with voxels of 1 mm."""

BLOCK, SETTLED = 32, 0.1
"""Where so many further rows settle less than this part of the open voxels, the rest is left to another way."""

REACH = 48
"""Voxels along each axis within which these rows lie."""

FEW = 3000
"""Up to so many voxels a k-d tree is fastest: the many calls of NumPy that the other ways need take longer."""

NONE = 16000
"""Voxels to the next mark of a row that has none."""


def nearest_distances(
    marked: NDArray[np.bool_], others: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance in mm of each marked voxel to the nearest of the others, in the order of `np.argwhere`.

    Rows of voxels are looked at from the nearest to the farthest, until no further row can hold a nearer voxel. What is
    too far away for that is measured one axis after the other (`separable_distances`). A k-d tree searches where axes
    are not perpendicular, and for few voxels. All three are exact.

    Args:
        marked: Voxels from which distances are measured, (a, b, c).
        others: Voxels to which they are measured, of the same shape; at least one.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3).
    """
    # np.argwhere takes many times longer where few voxels are marked.
    indices = np.stack(np.unravel_index(np.flatnonzero(marked), marked.shape), axis=1)
    distances = np.full(len(indices), np.inf) if len(indices) <= FEW else _on_grid(indices, others, matrix)
    far = np.flatnonzero(np.isinf(distances))
    if len(far):
        # A balanced tree with tight boxes takes longer to build than it saves in searching.
        tree = KDTree(np.argwhere(others) @ matrix.T, leafsize=16, balanced_tree=False, compact_nodes=False)
        distances[far] = tree.query(indices[far] @ matrix.T)[0]
    return distances


def _on_grid(indices: NDArray[np.intp], others: NDArray[np.bool_], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distances in mm, infinite where only a k-d tree finds them."""
    perpendicular, spacing = _perpendicular(matrix), np.linalg.norm(matrix, axis=0)
    if not perpendicular.any():
        return np.full(len(indices), np.inf)
    box = bounding_box(others)
    indices, others = indices - [side.start for side in box], others[box]
    axis = min(np.flatnonzero(perpendicular), key=spacing.__getitem__)
    order = [axis, *(other for other in range(3) if other != axis)]
    distances = _along_rows(indices[:, order], others.transpose(order), matrix[:, order])
    far = np.flatnonzero(np.isinf(distances))
    if len(far) > FEW and perpendicular.all():
        distances[far] = separable_distances(indices[far], others, spacing)
    return distances


def _perpendicular(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which axes are perpendicular to the other two, (3,)."""
    spacing = np.linalg.norm(matrix, axis=0)
    cosines = np.abs(matrix.T @ matrix) / np.outer(spacing, spacing) - np.eye(3)
    return cosines.max(axis=0) < RIGHT_ANGLE


def _along_rows(
    indices: NDArray[np.intp], others: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return distances in mm, infinite where a voxel outside the nearest rows could be the nearest.

    The rows run along the first axis. The indices may lie beyond the volume of the others.
    """
    offsets, apart = _nearest_rows(matrix[:, 1:].tobytes())
    spacing = np.linalg.norm(matrix[:, 0])
    reach = np.array([np.sqrt(apart[-1]) // spacing, *np.abs(offsets).max(axis=0)], int)
    distances = np.full(len(indices), np.inf)
    near = np.flatnonzero(((indices >= -reach) & (indices < others.shape + reach)).all(axis=1))
    if not len(near):
        return distances
    low, high = indices[near].min(axis=0) - reach, indices[near].max(axis=0) + reach + 1
    gaps = _gaps_in_rows(_window(others, low, high))
    strides = gaps.shape[1] * gaps.shape[2], gaps.shape[2], 1
    gaps, places = gaps.ravel(), (indices[near] - low) @ strides
    squares = (np.arange(NONE + 1) * spacing) ** 2
    found, open_ = np.full(len(near), np.inf), np.arange(len(near))
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
    distances[near] = np.sqrt(found)
    return distances


def _window(array: NDArray[np.bool_], low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the voxels from `low` up to `high`; those beyond the array are False."""
    inside = tuple(map(slice, np.maximum(low, 0), np.maximum(high, 0)))
    return np.pad(array[inside], np.stack([np.maximum(-low, 0), np.maximum(high - array.shape, 0)], axis=1))


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
