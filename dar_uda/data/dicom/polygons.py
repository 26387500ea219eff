"""Which pixels lie inside of contours."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EDGES = 4096
"""Edges that are looked at together, which bounds the memory."""


def inside(contours: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centers lie inside of an odd number of closed contours (the even-odd rule).

    A contour within another is a hole, and an edge that is passed there and back (a keyhole) counts for nothing. A
    center on an edge is inside if the inside lies toward higher indices: contours that share an edge share no pixel.

    Args:
        contours: Each (points, 2), in indices of the pixels, whose centers are whole numbers.
        shape: Of the picture.
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.int64)
    for contour in contours:
        ends = np.stack([contour, np.roll(contour, -1, axis=0)], axis=1)
        for first in range(0, len(ends), EDGES):
            _count(crossings, ends[first : first + EDGES])
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def _count(crossings: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
    """Count in each row, at the first pixel behind it, every crossing of the row by an edge.

    Args:
        edges: (edges, 2, 2): start and end, each row and column.
    """
    rows, columns = crossings.shape[0], crossings.shape[1] - 1
    order = np.argsort(edges[..., 0], axis=1)  # from the lower row: the way back crosses where the way there does
    (low, left), (high, right) = np.take_along_axis(edges, order[..., None], axis=1).transpose(1, 2, 0)
    first, behind = (np.clip(np.ceil(end), 0, rows).astype(np.int64) for end in (low, high))
    count = behind - first
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    column = left[edge] + (row - low[edge]) * ((right - left)[edge] / (high - low)[edge])
    np.add.at(crossings, (row, np.clip(np.ceil(column), 0, columns).astype(np.int64)), 1)
