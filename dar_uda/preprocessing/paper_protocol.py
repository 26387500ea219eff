"""What the paper's reference code does to volumes before anything else (protocol `paper`)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import slice_axis_of, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.preprocessing.classes import read_classes

MARGIN = 2
"""Slices kept on either side of the labelled ones."""


def crop_to_labels(
    case: str,
    array: NDArray,
    original: Grid,
    scan: str | Path,
    label: str | Path,
    values: Sequence[Sequence[int]],
    slice_axis: int | None,
) -> tuple[NDArray, Grid]:
    """Return the slices that hold structures and two on either side, and their grid; of test cases too.

    Raises:
        ValueError: No voxel of the label map is of a structure.
    """
    depth, _ = slice_axis_of(original, slice_axis)
    others = tuple(axis for axis in range(3) if axis != depth)
    labelled = np.flatnonzero(read_classes(case, label, scan, original, values).any(axis=others))
    if labelled.size == 0:
        raise ValueError(f"{label} holds none of the task's structures: protocol paper has nothing to crop to")
    first, end = max(0, int(labelled[0]) - MARGIN), min(array.shape[depth], int(labelled[-1]) + 1 + MARGIN)
    kept = tuple(slice(first, end) if axis == depth else slice(None) for axis in range(3))
    affine = original.affine.copy()
    affine[:3, 3] += original.affine[:3, depth] * first
    return array[kept], Grid(array[kept].shape, affine, acquired=depth)


def doubled_depth(
    original: Grid, spacing: Sequence[float | None], slice_axis: int | None
) -> tuple[float | None, float | None, float]:
    """Return the spacing with half the scan's own along the depth: twice as many slices, whatever their distance."""
    depth, _ = slice_axis_of(original, slice_axis)
    return spacing[0], spacing[1], spacing_of(original.affine)[depth] / 2
