"""Where in a scan structures lie, told from the source's labels alone: a region of interest for tiny structures."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.geometry import canonical_axes, spacing_of
from dar_uda.data.grid import Grid, middle_of
from dar_uda.data.volume import read_grid
from dar_uda.jobs.files import write_beside
from dar_uda.preprocessing.classes import read_classes


def find_region(
    cases: Sequence[str],
    scans: Sequence[str | Path],
    labels: Sequence[str | Path],
    region: str | Path,
    values: Sequence[Sequence[int]],
    margin: float,
    slice_axis: int | None,
) -> None:
    """Write the box that holds all structures of all cases, and a margin, as mm from the center of a scan.

    Args:
        cases: Names of the source's labeled training cases.
        scans: Their images.
        labels: Their label maps.
        region: JSON to write: `low` and `high` along (width, height, depth) of the canonical layout.
        values: Label values of each class.
        margin: mm on every side: scans are not centered alike.
        slice_axis: See `canonical_axes`.

    Raises:
        ValueError: No case holds a structure.
    """
    boxes = []
    for case, scan, label in zip(cases, scans, labels, strict=True):
        grid = read_grid(scan)
        classes = read_classes(case, label, scan, grid, values)
        if classes.any():
            boxes.append(_box_of(classes, grid, slice_axis))
    if not boxes:
        raise ValueError(
            "DAR-192: No labeled training case of the source holds a structure: there is no region to find"
        )
    low, high = np.min([box[0] for box in boxes], axis=0) - margin, np.max([box[1] for box in boxes], axis=0) + margin
    with write_beside(region) as partial:
        partial.write_text(json.dumps({"low": low.tolist(), "high": high.tolist()}) + "\n")


def _box_of(
    classes: NDArray[np.uint8], grid: Grid, slice_axis: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest edge of the structures along (width, height, depth), mm from the scan's center."""
    axes, signs = canonical_axes(grid, slice_axis)
    order, senses = list(axes[::-1]), np.array(signs[::-1])
    indices = np.argwhere(classes)
    spacing = np.array(spacing_of(grid.affine))
    edges = np.stack([indices.min(axis=0) - 0.5, indices.max(axis=0) + 0.5])
    offsets = ((edges - middle_of(grid.shape)) * spacing)[:, order] * senses
    return offsets.min(axis=0), offsets.max(axis=0)


def cut_to_region(network: Grid, region: str | Path) -> Grid:
    """Return the network grid moved to the region's center, as deep as the region.

    Args:
        network: Canonical grid (width, height, depth) about the scan's center; its in-plane square stays as large.
        region: JSON that `find_region` wrote.

    Raises:
        ValueError: The region is wider than the square.
    """
    box = json.loads(Path(region).read_text(encoding="utf-8"))
    low, high = np.array(box["low"]), np.array(box["high"])
    spacing = np.array(spacing_of(network.affine))
    wanted = (high - low) / spacing
    if (wanted[:2] > network.shape[:2]).any():
        raise ValueError(
            f"DAR-191: The region of the source's structures is {np.round((high - low)[:2]).tolist()} mm wide and "
            f"high, the grid {(spacing * network.shape)[:2].tolist()}: raise `size` or `spacing`, or lower "
            "`region_margin`"
        )
    shape = (*network.shape[:2], max(1, int(np.ceil(wanted[2]))))
    offset = network.affine[:3, :3] / spacing @ ((low + high) / 2)
    return Grid.about(network.center + offset, network.affine[:3, :3], shape)
