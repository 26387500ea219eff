"""Orientation of a volume, and whether two volumes share a grid."""

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import Grid

TIE = 0.01
"""Spacings within this fraction of the coarsest count as equal when the slice axis is chosen."""

ONE_OF_TWO = "nearer to superior-inferior of two equal spacings"
"""Why an axis is taken where a third one is finer, as where thin slices have coarser square pixels."""

GRID_TOLERANCE = 0.1
"""Two grids are one where their corner voxels differ by at most this share of a voxel along every axis."""

# Where the axes of the canonical layout should point (right, anterior, superior). The side terms decide for
# coronal, sagittal and oblique stacks (short-axis hearts), so that no usual plane lies on the edge between
# two answers.
TARGETS = {
    "depth": np.array([0.25, -0.5, 1.0]),
    "height": np.array([0.0, -0.6, -0.9]),
    "width": np.array([-1.0, -0.3, -0.4]),
}


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the distance in mm between neighboring voxels along each axis of the array."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def slice_axis_of(grid: Grid, configured: int | None = None) -> tuple[int, str]:
    """Return the axis of the array (0 to 2) across the slices, and why it is that one.

    The first of these that applies: the configured axis; the axis that the file names (the slices of a DICOM series,
    NIfTI's dim_info); the only axis of one voxel; the axis with the coarsest spacing; of several within 1 % of the
    coarsest, the one nearest superior-inferior.

    Raises:
        ValueError: `configured` is not an axis.
    """
    if configured is not None:
        if configured not in (0, 1, 2):
            raise ValueError(
                f"DAR-154: slice_axis is {configured!r}, expected 0, 1 or 2: the file's axis across its slices"
            )
        return int(configured), "configured"
    if grid.acquired is not None:
        return grid.acquired, "dim_info" if grid.header else "as acquired"
    if list(grid.shape).count(1) == 1:
        return list(grid.shape).index(1), "one slice"
    spacing = np.array(spacing_of(grid.affine))
    coarsest = spacing >= (1 - TIE) * spacing.max()
    superior = np.abs(grid.affine[2, :3]) / spacing
    reason = {1: "coarsest", 2: ONE_OF_TWO, 3: "nearest to superior-inferior of equal spacings"}[int(coarsest.sum())]
    return int(np.argmax(np.where(coarsest, superior, -1.0))), reason


def canonical_axes(grid: Grid, slice_axis: int | None = None) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return which axes of the array become (depth, height, width), and their signs (-1: reversed).

    An axial stack comes out with depth to superior, height to posterior, width to the left. No axis is
    rotated: the oblique directions of the scan stay, only their order and signs are chosen. (Width, height,
    depth) is always right-handed, so that no anatomy comes out mirrored.

    Args:
        slice_axis: Axis of the array (0 to 2) that becomes depth; None: see `slice_axis_of`.

    Raises:
        ValueError: `slice_axis` is not an axis.
    """
    slice_axis, _ = slice_axis_of(grid, slice_axis)
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    scores = np.stack(list(TARGETS.values())) @ directions  # (target, axis)
    in_plane = [axis for axis in range(3) if axis != slice_axis]
    candidates = [
        ((slice_axis, *order), signs)
        for order in permutations(in_plane)
        for signs in product((1, -1), repeat=3)
        if np.linalg.det(directions[:, [*order[::-1], slice_axis]] * signs[::-1]) > 0
    ]
    return max(candidates, key=lambda axes_signs: _score(scores, *axes_signs))


def _score(scores: NDArray[np.float64], axes: tuple[int, ...], signs: tuple[int, ...]) -> float:
    """Return how well the axes, in this order and with these signs, point to where they should."""
    return float(np.dot(signs, scores[range(3), axes]))


def check_same_grid(image: Grid, label: Grid, case: str) -> None:
    """Raise where the label's voxels are not the image's.

    The order and the sense of the array's axes may differ (converters flip rows): what counts is that every
    voxel of one has a voxel of the other at its place, within GRID_TOLERANCE of a voxel.

    Raises:
        ValueError: Naming the case, both grids and what to do.
    """
    if reason := grid_difference(image, label):
        raise ValueError(
            f"DAR-180: Case {case}: image and label do not share a grid: {reason}. "
            f"Image: {described(image)}. Label: {described(label)}. "
            "Resample the label onto the image's grid, or correct the header that is wrong."
        )


def grid_difference(first: Grid, second: Grid) -> str:
    """Return in what two grids differ; "" where every voxel of one has a voxel of the other at its place."""
    axes, signs = _matching_axes(first, second)
    if sorted(axes) != [0, 1, 2] or tuple(second.shape) != tuple(first.shape[axis] for axis in axes):
        return "their shapes or directions differ"
    corners = _corners(second.shape)
    expected = np.empty_like(corners)
    expected[:, axes] = np.where(np.array(signs) > 0, corners, np.array(second.shape) - 1 - corners)
    step = np.linalg.solve(first.affine, second.affine)
    found = corners @ step[:3, :3].T + step[:3, 3]
    difference = float(np.abs(found - expected).max())
    if difference <= GRID_TOLERANCE:
        return ""
    return f"corners differ by up to {difference:.3g} voxels (allowed: {GRID_TOLERANCE})"


def reorder_like(array: NDArray, label: Grid, image: Grid) -> NDArray:
    """Return a view of `array`, which lies on the grid `label`, with the axes and senses of `image`.

    The two must share a grid: see `check_same_grid`.
    """
    axes, signs = _matching_axes(image, label)
    flipped = array[tuple(slice(None, None, sign) for sign in signs)]
    return flipped.transpose([axes.index(axis) for axis in range(3)])


def _matching_axes(image: Grid, label: Grid) -> tuple[list[int], list[int]]:
    """Return the image axis along which each label axis runs, and its sense: the same (1) or not (-1)."""
    step = np.linalg.solve(image.affine, label.affine)[:3, :3]
    axes = np.abs(step).argmax(axis=0)
    return axes.tolist(), [1 if step[axis, k] >= 0 else -1 for k, axis in enumerate(axes)]


def _corners(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the indices of the eight corner voxels, (8, 3)."""
    return np.array(list(product(*[(0, size - 1) for size in shape])), dtype=float)


def described(grid: Grid) -> str:
    """Return shape, spacing and affine in one line, for an error."""
    spacing = tuple(round(value, 4) for value in spacing_of(grid.affine))
    return f"shape {tuple(grid.shape)}, spacing {spacing} mm, affine {np.round(grid.affine[:3], 4).tolist()}"
