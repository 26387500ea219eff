"""What the segmenters predict: overlays on the images, and the spread of Dice over the cases."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dar_uda.data.geometry import canonical_axes, check_same_grid, reorder_like, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.labels import map_labels
from dar_uda.data.predictions import mask_path
from dar_uda.data.volume import Volume, read_label, read_volume
from dar_uda.evaluation.figure_style import (
    COLOURS_ON_IMAGES,
    colour_of,
    hide_ticks,
    new_figure,
    plain_frame,
    save_figure,
)
from dar_uda.evaluation.tables import mean_over_seeds, ordered_methods, read_cases

MOST_CASES = 4
PANEL = 2.2  # inches
OPACITY = 0.35


@dataclass(frozen=True)
class _Overlay:
    """One row of the overlays: a slice, its aspect (row by column spacing), the class maps to lay over it."""

    image: NDArray
    aspect: float
    classes: dict[str, NDArray | None]


def draw_overlays(
    cases: list[str],
    images: list[str | Path],
    predictions: dict[str, str | Path],
    references: list[str | Path | None] | None,
    structures: list[str],
    values: list[list[int]],
    figure: str | Path,
    slice_axis: int | None = None,
    stamp: str = "",
) -> None:
    """Draw the reference and every method's prediction over the middle labelled slice of each case.

    The middle of the reference's labelled range along the slice axis; without a reference that of the
    first prediction that has one, else the middle of the volume. Intensities are shown from the slice's 1st
    to its 99th percentile.

    Args:
        cases: Names in the order of the files; the first four are drawn, one per row.
        images: Original images.
        predictions: For each method the folder of its masks, class indices 1, 2, ... on the images' grids.
        references: Label files on the images' grids, None where a case has none; or None at all.
        structures: Names of the classes.
        values: For each structure the values in the label files that make it up.
        figure: Output PNG.
        slice_axis: Axis of the images across the slices; None: the one with the coarsest spacing.
        stamp: What it says of the run, in small type.
    """
    rows = []
    for index in range(min(len(cases), MOST_CASES)):
        reference = references[index] if references else None
        paths = {method: mask_path(folder, cases[index]) for method, folder in predictions.items()}
        rows.append(_read_overlay(cases[index], images[index], reference, paths, values, slice_axis))
    page = new_figure(PANEL * (1 + len(predictions)), PANEL * sum(map(_height, rows)) + 0.6)
    heights = [_height(row) for row in rows]
    grid = page.subplots(len(rows), 1 + len(predictions), squeeze=False, height_ratios=heights)
    for case, row, line in zip(cases, rows, grid, strict=False):
        for axes, classes in zip(line, row.classes.values(), strict=True):
            _draw_overlay(axes, row, classes)
        line[0].set_ylabel(case, fontsize=8)
    for axes, title in zip(grid[0], ["reference", *predictions], strict=True):
        axes.set_title(title, fontsize=9, fontweight="bold" if title == "reference" else "normal")
    _legend(page, structures)
    save_figure(page, figure, stamp)


def draw_dice_boxes(metrics: list[dict], structures: list[str], figure: str | Path, stamp: str = "") -> None:
    """Draw the Dice of every case, a box per method: one panel per structure, one row per direction.

    A method without metrics in a direction leaves its place empty there.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`; seeds are averaged.
        structures: Names, in the order of the panels.
        figure: Output PNG.
        stamp: What it says of the run, in small type.
    """
    pairs = ordered_methods(metrics)
    directions, methods = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
    width = max(0.8 + 0.4 * len(methods), 1.8)
    page = new_figure(width * len(structures) + 0.6, 3.4 * len(directions))
    grid = page.subplots(len(directions), len(structures), squeeze=False, sharey=True)
    for direction, line in zip(directions, grid, strict=True):
        dices = [_read_dice(metrics, direction, method, structures) for method in methods]
        for index, (structure, axes) in enumerate(zip(structures, line, strict=True)):
            _draw_boxes(axes, methods, [dice[:, index] for dice in dices])
            axes.set_title(structure, fontsize=10)
        line[0].set_ylabel(f"{direction}\nDice", fontsize=9)
    save_figure(page, figure, stamp)


def _read_dice(metrics: list[dict], direction: str, method: str, structures: list[str]) -> NDArray[np.float64]:
    """Return the Dice of shape (cases, structures), without cases where the method has no metrics."""
    paths = [m["path"] for m in metrics if (m["direction"], m["method"]) == (direction, method)]
    return mean_over_seeds(read_cases(paths, structures)[0]) if paths else np.empty((0, len(structures)))


def _draw_boxes(axes: Axes, methods: list[str], dices: list[NDArray[np.float64]]) -> None:
    rng = np.random.default_rng(0)
    for position, dice in enumerate(dices):
        dice = dice[np.isfinite(dice)]
        if not dice.size:
            continue
        colour = colour_of(position)
        box = axes.boxplot(
            dice, positions=[position], widths=0.6, showfliers=False, patch_artist=True, manage_ticks=False
        )
        box["boxes"][0].set(facecolor=to_rgba(colour, 0.25), edgecolor=colour)
        box["medians"][0].set(color="black", linewidth=1.5)
        spread = position + rng.uniform(-0.18, 0.18, len(dice))
        axes.scatter(spread, dice, s=12, color=colour, edgecolor="white", linewidths=0.4, zorder=3)
    axes.set_xticks(range(len(methods)), methods, rotation=35, ha="right", fontsize=8)
    axes.set(xlim=(-0.6, len(methods) - 0.4), ylim=(-0.03, 1.03))
    plain_frame(axes)
    axes.grid(visible=False, axis="x")


def _read_overlay(
    case: str,
    image: str | Path,
    reference: str | Path | None,
    predictions: dict[str, str | Path],
    values: list[list[int]],
    slice_axis: int | None,
) -> _Overlay:
    volume = read_volume(image)
    axes, _ = canonical_axes(volume.grid.affine, slice_axis)
    _, rows, columns = (spacing_of(volume.grid.affine)[axis] for axis in axes)
    classes = {"reference": None}
    if reference:
        label = read_label(reference, image)
        mapped = Volume(map_labels(label.array, values), label.grid)
        classes["reference"] = _canonical(mapped, volume.grid, case, slice_axis)
    for method, path in predictions.items():
        classes[method] = _canonical(read_volume(path), volume.grid, case, slice_axis)
    pixels = _canonical(volume, volume.grid, case, slice_axis)
    depth = _middle_depth([labels for labels in classes.values() if labels is not None], len(pixels))
    slices = {name: None if labels is None else labels[depth] for name, labels in classes.items()}
    return _Overlay(pixels[depth], rows / columns, slices)


def _canonical(volume: Volume, grid: Grid, case: str, slice_axis: int | None) -> NDArray:
    """Return the values as (depth, height, width) of the image with this grid, on which they must lie."""
    check_same_grid(grid, volume.grid, case)
    axes, signs = canonical_axes(grid.affine, slice_axis)
    array = reorder_like(volume.array, volume.grid, grid).transpose(axes)
    return array[tuple(slice(None, None, sign) for sign in signs)]


def _middle_depth(class_maps: list[NDArray], depth: int) -> int:
    """Return the middle labelled slice of the first class map that has one, else the middle slice."""
    for classes in class_maps:
        labelled = np.flatnonzero((classes > 0).any(axis=(1, 2)))
        if labelled.size:
            return int(labelled[0] + labelled[-1]) // 2
    return depth // 2


def _height(row: _Overlay) -> float:
    """Return the height of a panel in units of its width."""
    rows, columns = row.image.shape
    return rows * row.aspect / columns


def _draw_overlay(axes: Axes, row: _Overlay, classes: NDArray | None) -> None:
    low, high = np.percentile(row.image, [1, 99])
    axes.imshow(row.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=row.aspect)
    hide_ticks(axes)
    if classes is None:
        axes.text(0.5, 0.03, "no reference", color="white", ha="center", transform=axes.transAxes, fontsize=7)
        return
    tint = np.zeros((*classes.shape, 4))
    for index in np.unique(classes[classes > 0]).astype(int):
        colour = colour_of(index - 1, COLOURS_ON_IMAGES)
        tint[classes == index] = to_rgba(colour, OPACITY)
        axes.contour(classes == index, levels=[0.5], colors=[colour], linewidths=1.1)
    axes.imshow(tint, aspect=row.aspect, interpolation="nearest")


def _legend(page: Figure, structures: list[str]) -> None:
    colours = [colour_of(index, COLOURS_ON_IMAGES) for index in range(len(structures))]
    handles = [
        Patch(facecolor=to_rgba(colour, OPACITY), edgecolor=colour, label=name)
        for colour, name in zip(colours, structures, strict=True)
    ]
    page.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
