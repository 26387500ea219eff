"""Checks of one scan."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.checks.finding import (
    BELOW_WINDOW,
    CONSTANT,
    FOLDED,
    IMPLAUSIBLE_EXTENT,
    IMPLAUSIBLE_SPACING,
    MIXED_SERIES,
    NOT_FINITE,
    ODD_SLICE_AXIS,
    SHEARED,
    TOO_LONG,
    TWO_PLACES,
    TWO_SIZES,
    UNCLEAR_SLICE_AXIS,
    UNPLACED,
    Kind,
)
from dar_uda.data.checks.values import doubts_of_values
from dar_uda.data.fill import find_fill
from dar_uda.data.geometry import ONE_OF_TWO, slice_axis_of, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.nifti import open_nifti
from dar_uda.data.reading import reading
from dar_uda.data.values import picked
from dar_uda.data.volume import ITK_SUFFIXES
from dar_uda.data.volume_index import file_of

PLAUSIBLE_SPACING = (0.01, 50.0)
ROUNDING = 1e-6
"""Of a number that a header holds as float32."""
MOST_VOXELS = np.iinfo(np.int16).max
LONGEST = 5000.0
"""mm along an axis."""
SAME_SIZE = 0.1
"""Fraction by which pixdim may differ from the sform's spacing: it does where a tilted gantry is kept as shear."""
ELONGATED = 2.0
"""Ratio of the sides of a pixel that no scanner makes."""
RIGHT_ANGLE = 1e-2
"""Cosine up to which two axes count as at right angles."""
FOLDED_COSINE = np.cos(np.radians(45))
Problem = tuple[Kind, str]


def problems_of_grid(path: Path, grid: Grid, slice_axis: int | None = None) -> Iterator[Problem]:
    """Yield what is doubtful in where a scan lies.

    Args:
        slice_axis: The configured one, or None.
    """
    spacing = spacing_of(grid.affine)
    low, high = PLAUSIBLE_SPACING[0] * (1 - ROUNDING), PLAUSIBLE_SPACING[1] * (1 + ROUNDING)
    extents = [step * size for step, size in zip(spacing, grid.shape, strict=True)]
    if not all(low <= step <= high for step in spacing):
        yield IMPLAUSIBLE_SPACING, f"{path} has a spacing of {_by(spacing)} mm"
    elif max(extents) > LONGEST:
        yield IMPLAUSIBLE_EXTENT, f"{path} spans {_by(extents)} mm: {_by(grid.shape)} voxels of {_by(spacing)} mm"
    if max(grid.shape) > MOST_VOXELS:
        yield TOO_LONG, f"{path} has {' x '.join(map(str, grid.shape))} voxels"
    directions = grid.affine[:3, :3] / np.array(spacing)
    cosine = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if cosine > RIGHT_ANGLE:
        kind = FOLDED if cosine > FOLDED_COSINE else SHEARED
        yield kind, f"{path}: {np.degrees(np.arccos(min(cosine, 1))):.1f} degrees"
    axis, reason = slice_axis_of(grid, slice_axis)
    if reason == ONE_OF_TWO and low <= min(spacing):
        finest = int(np.argmin(spacing))
        text = f"{path} has a spacing of {_by(spacing)} mm: it is cut across axis {axis}, the finest axis is {finest}"
        yield UNCLEAR_SLICE_AXIS, text
    if grid.header:
        yield from _problems_of_forms(path, grid)
        if slice_axis is None:
            yield from _problems_of_slice_axis(path, grid)
    elif path.is_dir():
        from dar_uda.data.dicom import mixed_series

        if counts := mixed_series(path):
            yield MIXED_SERIES, f"{path}: series UIDs of {', '.join(map(str, counts))} slices"
    elif path.suffix.lower() in ITK_SUFFIXES:
        from dar_uda.data.itk_formats import read_header

        if not read_header(path).placed:
            yield UNPLACED, str(path)


def problems_of_values(path: Path, array: NDArray, window: Sequence[float] | None) -> Iterator[Problem]:
    """Yield what is wrong with a scan's values.

    Args:
        window: (low, high) that becomes 0 to 1; None where a percentile does.
    """
    bad = int(array.size - np.isfinite(array).sum()) if array.dtype.kind == "f" else 0
    if bad:
        yield NOT_FINITE, f"{path}: {bad} of {array.size} voxels"
        return
    low, high = float(array.min()), float(array.max())
    if low == high:
        yield CONSTANT, f"{path}: every voxel is {low:g}"
        return
    fill = find_fill(array)
    if window is not None:
        rest = picked(array, ~fill.mask)
        low, high = float(rest.min()), float(rest.max())
        if high <= window[0] or low >= window[1]:
            yield BELOW_WINDOW, f"{path}: values from {low:g} to {high:g}, window {list(window)}"
            return
    yield from ((kind, f"{path}: {text}") for kind, text in doubts_of_values(array, fill, window))


def _problems_of_forms(path: Path, grid: Grid) -> Iterator[Problem]:
    """Yield where sform and qform of a NIfTI header contradict each other, or neither is set."""
    if not grid.header["sform_code"] and not grid.header["qform_code"]:
        yield UNPLACED, str(path)
    if not grid.header["sform_code"]:
        return
    if not grid.header["qform_code"]:
        yield from _problems_of_sizes(path, grid)
        return
    with reading(path, "set the code of its wrong form, sform or qform, to 0"):
        header = open_nifti(Path(file_of(path))).header
        corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(grid.shape) - 1)
        difference = np.linalg.solve(header.get_sform(), header.get_qform()) - np.eye(4)
        apart = float(np.abs(corners @ difference[:3, :3].T + difference[:3, 3]).max())
    if not apart <= 1:
        yield TWO_PLACES, f"{path}: by up to {apart:.3g} voxels"


def _problems_of_sizes(path: Path, grid: Grid) -> Iterator[Problem]:
    """Yield where pixdim is not the spacing of the sform, in the file's own unit."""
    sizes = np.array(grid.header["pixdim"][1:4])
    spacing = np.linalg.norm([grid.header[name][:3] for name in ("srow_x", "srow_y", "srow_z")], axis=0)
    if not np.allclose(sizes, spacing, rtol=SAME_SIZE, atol=0):
        yield TWO_SIZES, f"{path}: pixdim {_by(sizes)}, sform {_by(spacing)}"


def _problems_of_slice_axis(path: Path, grid: Grid) -> Iterator[Problem]:
    """Yield where dim_info names a slice axis that leaves pixels which no scanner makes."""
    axis, reason = slice_axis_of(grid)
    spacing = spacing_of(grid.affine)
    sides = [step for other, step in enumerate(spacing) if other != axis]
    if reason == "dim_info" and max(sides) > ELONGATED * max(min(sides), spacing[axis]):
        yield ODD_SLICE_AXIS, f"{path}: slice axis {axis} of voxels of {_by(spacing)} mm"


def _by(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)
