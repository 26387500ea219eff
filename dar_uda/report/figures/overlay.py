"""One slice of a case, and the outlines of its structures over it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dar_uda.data.geometry import canonical_axes, check_same_grid, reorder_like, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.volume import Volume, read_volume
from dar_uda.figures.style import COLORS_ON_IMAGES, color_of, hide_ticks
from dar_uda.preprocessing.classes import read_classes

OPACITY = 0.35


@dataclass(frozen=True)
class Overlay:
    """One row of the overlays: a slice, its aspect (row by column spacing), the class maps to lay over it."""

    image: NDArray
    aspect: float
    classes: dict[str, NDArray | None]


def read_overlay(
    case: str,
    image: str | Path,
    reference: str | Path | None,
    predictions: dict[str, str | Path],
    values: list[list[int]],
    slice_axis: int | None,
    structure: int | None = None,
) -> Overlay:
    """Return the middle labeled slice of the reference, else of the first prediction that has one, else the middle.

    Args:
        predictions: Mask files on the image's grid, by name; `classes` of the result has those and `reference`.
        reference, values, slice_axis: See `draw_overlays`.
        structure: Class whose middle slice is taken where a mask has it.
    """
    volume = read_volume(image)
    axes, _ = canonical_axes(volume.grid, slice_axis)
    _, rows, columns = (spacing_of(volume.grid.affine)[axis] for axis in axes)
    classes = {"reference": None}
    if reference:
        labeled = Volume(read_classes(case, reference, image, volume.grid, values), volume.grid)
        classes["reference"] = _canonical(labeled, volume.grid, case, slice_axis)
    for method, path in predictions.items():
        classes[method] = _canonical(read_volume(path), volume.grid, case, slice_axis)
    pixels = _canonical(volume, volume.grid, case, slice_axis)
    known = [labels for labels in classes.values() if labels is not None]
    depth = _middle_depth([*(labels == structure for labels in known if structure), *known], len(pixels))
    slices = {name: None if labels is None else labels[depth] for name, labels in classes.items()}
    return Overlay(pixels[depth], rows / columns, slices)


def _canonical(volume: Volume, grid: Grid, case: str, slice_axis: int | None) -> NDArray:
    """Return the values as (depth, height, width) of the image with this grid, on which they must lie."""
    check_same_grid(grid, volume.grid, case)
    axes, signs = canonical_axes(grid, slice_axis)
    array = reorder_like(volume.array, volume.grid, grid).transpose(axes)
    return array[tuple(slice(None, None, sign) for sign in signs)]


def _middle_depth(class_maps: list[NDArray], depth: int) -> int:
    """Return the middle labeled slice of the first class map that has one, else the middle slice."""
    for classes in class_maps:
        labeled = np.flatnonzero((classes > 0).any(axis=(1, 2)))
        if labeled.size:
            return int(labeled[0] + labeled[-1]) // 2
    return depth // 2


def height_of(row: Overlay) -> float:
    """Return the height of a panel in units of its width."""
    rows, columns = row.image.shape
    return rows * row.aspect / columns


def draw_overlay(axes: Axes, row: Overlay, classes: NDArray | None) -> None:
    """Draw the slice, from its 1st to its 99th percentile, and a class map of its shape over it."""
    low, high = np.percentile(row.image, [1, 99])
    axes.imshow(row.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=row.aspect)
    hide_ticks(axes)
    if classes is None:
        axes.text(0.5, 0.03, "no reference", color="white", ha="center", transform=axes.transAxes, fontsize=7)
        return
    tint = np.zeros((*classes.shape, 4))
    for index in np.unique(classes[classes > 0]).astype(int):
        color = color_of(index - 1, COLORS_ON_IMAGES)
        tint[classes == index] = to_rgba(color, OPACITY)
        axes.contour(classes == index, levels=[0.5], colors=[color], linewidths=1.1)
    axes.imshow(tint, aspect=row.aspect, interpolation="nearest")


def draw_reference(axes: Axes, classes: NDArray) -> None:
    """Draw the outline of every structure of a class map (rows, columns), dashed and white."""
    for index in np.unique(classes[classes > 0]):
        axes.contour(classes == index, levels=[0.5], colors=["white"], linewidths=1, linestyles="dashed")


def draw_legend(page: Figure, structures: list[str], others: Sequence[Artist] = ()) -> None:
    """Name the color of every structure below the panels, and what else there is."""
    colors = [color_of(index, COLORS_ON_IMAGES) for index in range(len(structures))]
    handles = [
        Patch(facecolor=to_rgba(color, OPACITY), edgecolor=color, label=name)
        for color, name in zip(colors, structures, strict=True)
    ]
    page.legend(handles=[*handles, *others], loc="outside lower center", ncols=5, frameon=False, fontsize=8)
