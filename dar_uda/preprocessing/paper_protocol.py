"""What the paper's reference code does to volumes before anything else (protocol `paper`)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dar_uda.data.geometry import slice_axis_of, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.volume import Volume
from dar_uda.preprocessing.classes import read_classes

MARGIN = 2
"""Slices kept on either side of the labeled ones."""


def crop_to_labels(
    case: str,
    scan: Volume,
    origin: str | Path,
    label: str | Path,
    values: Sequence[Sequence[int]],
    slice_axis: int | None,
) -> Volume:
    """Return the slices of a scan that hold structures and two on either side; of test cases too.

    Args:
        origin: Where the scan was read from.

    Raises:
        ValueError: No voxel of the label map is of a structure.
    """
    depth, _ = slice_axis_of(scan.grid, slice_axis)
    others = tuple(axis for axis in range(3) if axis != depth)
    labeled = np.flatnonzero(read_classes(case, label, origin, scan.grid, values).any(axis=others))
    if labeled.size == 0:
        raise ValueError(f"DAR-190: {label} holds none of the task's structures: protocol paper has nothing to crop to")
    first, end = max(0, int(labeled[0]) - MARGIN), min(scan.array.shape[depth], int(labeled[-1]) + 1 + MARGIN)
    kept = tuple(slice(first, end) if axis == depth else slice(None) for axis in range(3))
    return Volume(scan.array[kept], replace(scan.grid.part(depth, first, end - first), acquired=depth))


def doubled_depth(
    original: Grid, spacing: Sequence[float | None], slice_axis: int | None
) -> tuple[float | None, float | None, float]:
    """Return the spacing with half the scan's own along the depth: twice as many slices, whatever their distance."""
    depth, _ = slice_axis_of(original, slice_axis)
    return spacing[0], spacing[1], spacing_of(original.affine)[depth] / 2
