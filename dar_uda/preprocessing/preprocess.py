"""One case to the network grid; how to come back is written beside it."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import canonical_axes, spacing_of
from dar_uda.data.grid import Grid, read_grids, write_grids
from dar_uda.data.memory import need_memory
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.data.volume import Volume, read_volume
from dar_uda.preprocessing.body import body_extent
from dar_uda.preprocessing.classes import read_classes
from dar_uda.preprocessing.intensity import to_unit_range, window_of, without_fill
from dar_uda.preprocessing.paper_protocol import crop_to_labels, doubled_depth
from dar_uda.preprocessing.region import cut_to_region
from dar_uda.preprocessing.resample import resample

MOST_SLICES = 10_000
BODY_STEPS = 60
"""In `body_width`: where it is 300 mm, a body's place and width are rounded to 5 mm."""
COPIES = 20
"""Bytes per voxel while fills are found and the scan is resampled, as measured on 512 x 512 x 300 voxels."""


def preprocess_image(
    case: str,
    source: str | Path,
    image: str | Path,
    grid: str | Path,
    spacing: Sequence[float | None],
    size: int,
    intensity: Mapping[str, Any],
    body_width: float | None = None,
    slice_axis: int | None = None,
    region: str | Path | None = None,
    label: str | Path | None = None,
    values: Sequence[Sequence[int]] = (),
    double_depth: bool = False,
    check: Callable[[Volume], None] | None = None,
) -> None:
    """Write a scan on the network grid, intensities in [0, 1], and its two grids.

    Args:
        case: Name for errors.
        source: NIfTI file or folder of DICOM files.
        image: NIfTI to write: uint16 with a slope, axes (width, height, depth).
        grid: JSON to write: the grids `original` and `network`, both in their file's axis order.
        spacing: mm along (width, height, depth); depth None: the scan's own.
        size: Pixels of the in-plane square; a scan is padded with background or cropped about its centre.
        intensity: {"window": (low, high)} or {"percentile": number}, see `to_unit_range`: of what lies on the network
            grid, so that bright fat beyond it does not darken a heart.
        body_width: mm; the square is centred on the body and `spacing` holds for a body this wide: that of a wider
            one is coarser in-plane, of a slimmer one finer. None: the square is that of the scan, in true mm.
        slice_axis: Axis of the source (0 to 2) that becomes depth; None: see `slice_axis_of`.
        region: JSON of `find_region`, to which the grid is cut; None: it spans the scan's field of view.
        label: Protocol `paper`: the scan's label map, to whose range the slices are cropped; None: they are not.
        values: Label values of each class, for that.
        double_depth: Protocol `paper`: half the scan's own slice spacing in place of that of `spacing`.
        check: Called with the scan as it is read, to raise where it is not fit for use.

    Raises:
        ValueError: The scan cannot be read or scaled; the message names the case.
    """
    try:
        volume = read_volume(source)
        if check:
            check(volume)
        original, array, grid_of_slices = volume.grid, volume.array, volume.grid
        del volume
        if label:
            array, grid_of_slices = crop_to_labels(case, array, original, source, label, values, slice_axis)
        if double_depth:
            spacing = doubled_depth(original, spacing, slice_axis)
        network = network_grid(grid_of_slices, spacing, size, slice_axis)
        cleaned, air = without_fill(array, **intensity)
        del array  # hundreds of megabytes that nothing needs any more, like `cleaned` below
        if body_width is not None:
            scaled = to_unit_range(cleaned, **window_of(cleaned, air, cleaned.size, **intensity))
            network = fitted_to_body(network, grid_of_slices, scaled, body_width, slice_axis)
            del scaled
        if region:
            network = cut_to_region(network, region)
        _check_size(grid_of_slices, network)
        moved = resample(cleaned, grid_of_slices.affine, network.affine, network.shape, "linear", air)
        seen, voxels = cleaned[voxels_within(network, grid_of_slices)], cleaned.size
        del cleaned
        write_image(image, _scaled_on_grid(moved, seen, air, voxels, intensity).T, network.affine)
    except (ValueError, RuntimeError) as error:  # SimpleITK raises the latter
        raise ValueError(f"Case {case} ({source}): {error}") from error
    write_grids(grid, original=original, network=network)


def preprocess_label(
    case: str,
    source: str | Path,
    scan: str | Path,
    grid: str | Path,
    label: str | Path,
    values: Sequence[Sequence[int]],
) -> None:
    """Write a label map, its values mapped to classes 1..K, on the network grid of its image.

    Args:
        case: Name for errors.
        source: Label file on the image's original grid, or a folder of PNG files: see `read_label`.
        scan: The image as the user has it.
        grid: JSON that `preprocess_image` wrote.
        label: NIfTI to write: uint8, axes (width, height, depth).
        values: Label values of each class, see `map_labels`.

    Raises:
        ValueError: See `read_classes`.
    """
    original, network = read_grids(grid)
    classes = read_classes(case, source, scan, original, values)
    moved = resample(classes, original.affine, network.affine, network.shape, "nearest", fill=0)
    write_label(label, moved.T, network.affine)


def _scaled_on_grid(
    moved: NDArray[np.float32], seen: NDArray[np.float32], air: float, voxels: int, intensity: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Return intensities in [0, 1] of a scan on the network grid; `seen` are the scan's own voxels there."""
    try:
        return to_unit_range(moved, **window_of(seen, air, voxels, **intensity))
    except ValueError as error:
        width, height, depth = moved.shape
        raise ValueError(
            f"On the network grid ({width} x {height} x {depth} voxels): {error}. If the anatomy lies outside it, "
            "raise `size` or `spacing` of the task's grid; if the scan is darker than its window, change `intensity`; "
            "if it is smaller than a few voxels of this grid, correct its spacing."
        ) from error


def _check_size(original: Grid, network: Grid) -> None:
    """Raise where the scan, or what it becomes on the network grid, is too large to be worked on."""
    if network.shape[2] > MOST_SLICES:
        raise ValueError(
            f"The network grid has {network.shape[2]} slices, expected up to {MOST_SLICES}: look at the scan's spacing "
            "and shape, and at `spacing` of the task's grid"
        )
    voxels = math.prod(original.shape) + math.prod(network.shape)
    need_memory(COPIES * voxels, f"{_by(original.shape)} voxels and {_by(network.shape)} on the network grid")


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def network_grid(original: Grid, spacing: Sequence[float | None], size: int, slice_axis: int | None = None) -> Grid:
    """Return the canonical grid about the centre of the scan's field of view, axes (width, height, depth).

    The depth is that of the scan at the new spacing, rounded, at least 1.
    """
    axes, signs = canonical_axes(original, slice_axis)
    order, flips = list(axes[::-1]), np.array(signs[::-1])  # (width, height, depth)
    own = np.array(spacing_of(original.affine))[order]
    new = np.array([mine if asked is None else asked for asked, mine in zip(spacing, own, strict=True)])
    depth = max(1, round(original.shape[axes[0]] * own[2] / new[2]))
    shape = (size, size, depth)
    affine = np.eye(4)
    affine[:3, :3] = original.affine[:3, order] / own * flips * new
    centre = original.affine @ [*((np.array(original.shape) - 1) / 2), 1.0]
    affine[:3, 3] = centre[:3] - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def voxels_within(network: Grid, original: Grid) -> tuple[slice, ...]:
    """Return which voxels of a scan lie on the network grid, whose axes are parallel to the scan's.

    Where none do along an axis, all count.
    """
    step = np.linalg.solve(network.affine, original.affine)
    kept = []
    for axis, size in enumerate(original.shape):
        along = int(np.abs(step[:3, axis]).argmax())
        places = np.arange(size) * step[along, axis] + step[along, 3]
        inside = np.flatnonzero((places >= -0.5) & (places <= network.shape[along] - 0.5))
        kept.append(slice(inside[0], inside[-1] + 1) if inside.size else slice(None))
    return tuple(kept)


def fitted_to_body(
    network: Grid, original: Grid, array: NDArray, body_width: float, slice_axis: int | None = None
) -> Grid:
    """Return the network grid scaled in-plane as if the body were `body_width` mm wide, and centred on it.

    Width and centre are rounded, see `BODY_STEPS`: bad voxels that move the body's edges a little move nothing.

    Args:
        array: The scan on `original`, see `body_extent`.
    """
    depth, height, width = canonical_axes(original, slice_axis)[0]
    spans = dict(zip((height, width), body_extent(array, (height, width)), strict=True))
    own, step = spacing_of(original.affine), body_width / BODY_STEPS
    first, last = spans[width]
    scale = max(1, round((last - first) * own[width] / step)) / BODY_STEPS
    centre = np.array([*((np.array(original.shape) - 1) / 2), 1.0])
    for axis, (first, last) in spans.items():
        centre[axis] = step * round((first + last - 1) / 2 * own[axis] / step) / own[axis]
    affine = network.affine @ np.diag([scale, scale, 1.0, 1.0])
    affine[:3, 3] = (original.affine @ centre)[:3] - affine[:3, :3] @ ((np.array(network.shape) - 1) / 2)
    return Grid(network.shape, affine)
