"""The grid on which networks see a scan: where it lies, how fine it is, and which voxels of the scan lie on it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dar_uda.data.geometry import canonical_axes, spacing_of
from dar_uda.data.grid import Grid, middle_of
from dar_uda.data.memory import need_memory
from dar_uda.data.volume import Volume
from dar_uda.preprocessing.body import body_extent
from dar_uda.preprocessing.intensity import levels_of, window_of
from dar_uda.preprocessing.paper_protocol import doubled_depth
from dar_uda.preprocessing.region import cut_to_region
from dar_uda.preprocessing.settings import Preprocessing

MOST_SLICES = 10_000
BODY_STEPS = 60
"""In `body_width`: where it is 300 mm, a body's place and width are rounded to 5 mm."""
COPIES = 20
"""Bytes per voxel while fills are found and the scan is resampled, as measured on 512 x 512 x 300 voxels."""


def network_grid_of(scan: Volume, air: float, settings: Preprocessing, region: str | Path | None) -> Grid:
    """Return the network grid of a scan.

    Args:
        scan: As `without_fill` leaves it.
        air: Its level.
        region: JSON of `find_region`, to which the grid is cut; None: it spans the scan's field of view.

    Raises:
        ValueError: The body is not found, the region is too wide, or the scan or its grid are too large.
    """
    spacing, slice_axis = settings.spacing, settings.slice_axis
    if settings.double_depth:
        spacing = doubled_depth(scan.grid, spacing, slice_axis)
    network = network_grid(scan.grid, spacing, settings.size, slice_axis)
    if settings.body_width is not None:
        levels = levels_of(scan.array, **window_of(scan.array, air, scan.array.size, **settings.intensity))
        network = fitted_to_body(network, scan, levels, settings.body_width, slice_axis)
    if region:
        network = cut_to_region(network, region)
    _check_size(scan.grid, network)
    return network


def network_grid(original: Grid, spacing: Sequence[float | None], size: int, slice_axis: int | None = None) -> Grid:
    """Return the canonical grid about the center of the scan's field of view, axes (width, height, depth).

    The depth is that of the scan at the new spacing, rounded, at least 1.
    """
    axes, signs = canonical_axes(original, slice_axis)
    order, flips = list(axes[::-1]), np.array(signs[::-1])  # (width, height, depth)
    own = np.array(spacing_of(original.affine))[order]
    new = np.array([mine if asked is None else asked for asked, mine in zip(spacing, own, strict=True)])
    depth = max(1, round(original.shape[axes[0]] * own[2] / new[2]))
    return Grid.about(original.center, original.affine[:3, order] / own * flips * new, (size, size, depth))


def fitted_to_body(
    network: Grid, scan: Volume, levels: tuple[float, float], body_width: float, slice_axis: int | None = None
) -> Grid:
    """Return the network grid scaled in-plane as if the body were `body_width` mm wide, and centered on it.

    Width and center are rounded, see `BODY_STEPS`: bad voxels that move the body's edges a little move nothing.

    Args:
        levels: See `body_extent`.
    """
    depth, height, width = canonical_axes(scan.grid, slice_axis)[0]
    spans = dict(zip((height, width), body_extent(scan.array, (height, width), levels), strict=True))
    own, step = spacing_of(scan.grid.affine), body_width / BODY_STEPS
    first, last = spans[width]
    scale = max(1, round((last - first) * own[width] / step)) / BODY_STEPS
    middle = middle_of(scan.grid.shape)
    for axis, (first, last) in spans.items():
        middle[axis] = step * round((first + last - 1) / 2 * own[axis] / step) / own[axis]
    affine = network.affine @ np.diag([scale, scale, 1.0, 1.0])
    return Grid.about(scan.grid.place_of(middle), affine[:3, :3], network.shape)


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


def _check_size(original: Grid, network: Grid) -> None:
    """Raise where the scan, or what it becomes on the network grid, is too large to be worked on."""
    if network.shape[2] > MOST_SLICES:
        raise ValueError(
            f"DAR-156: The network grid has {network.shape[2]} slices, expected up to {MOST_SLICES}: look at the "
            "scan's spacing and shape, and at `spacing` of the task's grid"
        )
    voxels = math.prod(original.shape) + math.prod(network.shape)
    need_memory(COPIES * voxels, f"{_by(original.shape)} voxels and {_by(network.shape)} on the network grid")


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
