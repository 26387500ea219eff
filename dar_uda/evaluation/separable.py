"""Distances to the nearest of a set of voxels, one axis after the other, where all axes are perpendicular."""

import numpy as np
from numpy.typing import NDArray

PLANES, VOXELS = 16, 1024
"""Planes and voxels that are measured at once: more leave the processor's cache."""


def separable_distances(
    indices: NDArray[np.intp], others: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance in mm of each voxel to the nearest of the others.

    A squared distance is a sum over the axes. Its minimum is therefore taken over one axis at a time: over the longest
    for whole planes, over the shortest for the lines of the measured voxels, over the last for these voxels alone. In
    contrast to a k-d tree, distant voxels take no longer than close ones.

    Args:
        indices: Voxels from which distances are measured, (voxels, 3), also beyond the volume of the others.
        others: Voxels to which they are measured, (a, b, c); at least one.
        spacing: Voxel size in mm, (3,).
    """
    order = np.argsort(others.shape)[[2, 0, 1]]
    indices, others, spacing = indices[:, order], others.transpose(order), spacing[order]
    low, high = indices.min(axis=0), indices.max(axis=0) + 1
    indices = indices - low
    to_rows, to_columns = (
        ((np.arange(low[axis], high[axis])[:, None] - np.arange(others.shape[axis])) * spacing[axis]) ** 2
        for axis in (1, 2)
    )
    gaps, planes = _gaps_along_first(others), np.arange(low[0], high[0])
    squares, by_plane = np.empty(len(indices)), np.argsort(indices[:, 0], kind="stable")
    groups, starts = np.unique(indices[by_plane, 0] // PLANES * PLANES, return_index=True)
    for group, here in zip(groups, np.split(by_plane, starts[1:]), strict=True):
        plane, line, column = indices[here].T
        in_planes = (_extended(gaps, planes[group : group + PLANES]).swapaxes(0, 1) * spacing[0]) ** 2
        lines = slice(line.min(), line.max() + 1)
        in_lines = np.full((lines.stop - lines.start, *in_planes[0].shape), np.inf)
        for in_plane, to_row in zip(np.ascontiguousarray(in_planes), to_rows[lines].T, strict=True):
            np.minimum(in_lines, in_plane + to_row[:, None, None], out=in_lines)
        for first in range(0, len(here), VOXELS):
            some = slice(first, first + VOXELS)
            in_columns = in_lines[line[some] - lines.start, plane[some] - group] + to_columns[column[some]]
            squares[here[some]] = in_columns.min(axis=1)
    return np.sqrt(squares)


def _gaps_along_first(marked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how many voxels along the first axis each voxel lies from the nearest mark: infinite without one."""
    gaps = np.where(marked, np.float32(0), np.float32(np.inf))
    for swept in (gaps, gaps[::-1]):
        for place in range(1, len(swept)):
            np.minimum(swept[place], swept[place - 1] + 1, out=swept[place])
    return gaps


def _extended(gaps: NDArray[np.float32], planes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the gaps of these planes, some of which lie beyond the first or the last."""
    inside = np.clip(planes, 0, len(gaps) - 1)
    return gaps[inside] + abs(planes - inside)[:, None, None]
