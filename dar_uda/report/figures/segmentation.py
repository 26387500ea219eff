"""What the segmenters predict, over slices of the scans: the first cases, the least sure, the worst and the best."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from dar_uda.data.predictions import mask_path
from dar_uda.evaluation.case_means import Cases, read_cases
from dar_uda.evaluation.confidence import FIRST, look_first, read_confidence
from dar_uda.evaluation.means import finite_mean
from dar_uda.figures.style import new_figure, save_figure
from dar_uda.report.figures.overlay import Overlay, draw_legend, draw_overlay, draw_reference, height_of, read_overlay
from dar_uda.report.svg import worst_case_id

MOST_CASES = 4
PANEL, WIDE_PANEL = 2.2, 3.2  # inches


def draw_overlays(
    cases: list[str],
    images: list[str | Path],
    predictions: dict[str, str | Path],
    references: list[str | Path | None] | None,
    structures: list[str],
    values: list[list[int]],
    figures: Sequence[str | Path],
    slice_axis: int | None = None,
    stamp: str = "",
) -> None:
    """Draw the reference and every method's prediction over the middle labeled slice of each case.

    The middle of the reference's labeled range along the slice axis; without a reference that of the
    first prediction that has one, else the middle of the volume. Intensities are shown from the slice's 1st
    to its 99th percentile.

    Args:
        cases: Names in the order of the files; the first four are drawn, one per row.
        images: Original images.
        predictions: For each method the folder of its masks, class indices 1, 2, ... on the images' grids.
        references: Label files on the images' grids, None where a case has none; or None at all.
        structures: Names of the classes.
        values: For each structure the values in the label files that make it up.
        figures: Output files, PNG or SVG.
        slice_axis: Axis of the images across the slices; None: see `slice_axis_of`.
        stamp: What it says of the run, in small type.
    """
    rows = []
    for index in range(min(len(cases), MOST_CASES)):
        reference = references[index] if references else None
        paths = {method: mask_path(folder, cases[index]) for method, folder in predictions.items()}
        rows.append(read_overlay(cases[index], images[index], reference, paths, values, slice_axis))
    page = new_figure(PANEL * (1 + len(predictions)), PANEL * sum(map(height_of, rows)) + 0.6)
    heights = [height_of(row) for row in rows]
    grid = page.subplots(len(rows), 1 + len(predictions), squeeze=False, height_ratios=heights)
    for case, row, line in zip(cases, rows, grid, strict=False):
        for axes, classes in zip(line, row.classes.values(), strict=True):
            draw_overlay(axes, row, classes)
        line[0].set_ylabel(case, fontsize=8)
    for axes, title in zip(grid[0], ["reference", *predictions], strict=True):
        axes.set_title(title, fontsize=9, fontweight="bold" if title == "reference" else "normal")
    draw_legend(page, structures)
    save_figure(page, figures, stamp)


def draw_look_first(
    confidence: list[dict],
    cases: list[str],
    images: list[str | Path],
    predictions: str | Path,
    structures: list[str],
    figures: Sequence[str | Path],
    slice_axis: int | None = None,
    stamp: str = "",
) -> None:
    """Draw the least sure cases of one method, a row each: a slice through the least sure structure, without and with
    its mask.

    Args:
        confidence: The method's entries of `read_confidence`.
        cases: All test cases, in the order of the images.
        predictions: Folder of the method's masks under its first seed.
        images, structures, figures, slice_axis, stamp: See `draw_overlays`.
    """
    files, rows = dict(zip(cases, images, strict=True)), []
    for row in look_first(read_confidence(confidence), FIRST).itertuples():
        label, masks = structures.index(row.structure) + 1, {"mask": mask_path(predictions, row.case)}
        overlay = read_overlay(row.case, files[row.case], None, masks, [], slice_axis, label)
        rows.append((f"{row.case}, {row.structure}: {row.reason}", overlay))
    heights = [height_of(overlay) for _, overlay in rows]
    page = new_figure(2 * WIDE_PANEL, WIDE_PANEL * sum(heights) + 0.3 * len(rows) + 0.7)
    grid = page.subplots(len(rows), 2, squeeze=False, height_ratios=heights)
    for (plain, masked), (title, overlay) in zip(grid, rows, strict=True):
        draw_overlay(plain, overlay, np.zeros_like(overlay.classes["mask"]))
        draw_overlay(masked, overlay, overlay.classes["mask"])
        plain.set_title(title, fontsize=8, loc="left")
    draw_legend(page, structures)
    save_figure(page, figures, stamp)


def draw_extremes(
    metrics: list[dict],
    cases: list[str],
    images: list[str | Path],
    predictions: dict[str, str | Path],
    references: list[str | Path],
    structures: list[str],
    values: list[list[int]],
    figures: Sequence[str | Path],
    slice_axis: int | None = None,
    stamp: str = "",
) -> None:
    """Draw the worst and the best case of every method, by the mean Dice of structures and seeds: mask and reference.

    A method without any Dice has no row. In an SVG, the id of the worst case's panel is `worst_case_id` of its method.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`, of one direction.
        cases: All scored cases, in the order of images and references.
        predictions: For each method the folder of its masks under its first seed.
        images, references, structures, values, figures, slice_axis, stamp: See `draw_overlays`.
    """
    files = {case: pair for case, *pair in zip(cases, images, references, strict=True)}
    rows = []
    for method, folder in predictions.items():
        read = read_cases([entry for entry in metrics if entry["method"] == method])
        panels = [
            (f"{method}, {end}: {case}{said}", _read_case(case, *files[case], folder, values, slice_axis))
            for end, case, said in _extremes(read)
        ]
        rows += [(method, panels)] if panels else []
    heights = [max(height_of(overlay) for _, overlay in panels) for _, panels in rows]
    page = new_figure(2 * WIDE_PANEL, WIDE_PANEL * sum(heights) + 0.3 * len(rows) + 0.7)
    grid = page.subplots(len(rows), 2, squeeze=False, height_ratios=heights) if rows else []
    for line, (method, panels) in zip(grid, rows, strict=True):
        line[0].set_gid(worst_case_id(method))
        for axes, (title, overlay) in zip(line, panels, strict=True):
            draw_overlay(axes, overlay, overlay.classes["mask"])
            draw_reference(axes, overlay.classes["reference"])
            axes.set_title(title, fontsize=8)
    outline = Line2D([], [], color="0.4", linestyle="--", linewidth=1, label="reference (white)")
    draw_legend(page, structures, [outline])
    save_figure(page, figures, stamp)


def _extremes(cases: Cases) -> list[tuple[str, str, str]]:
    """Return the worst and the best case, and what to say of its Dice; nothing without any."""
    by_seed = pd.DataFrame(cases.means("dice"), columns=cases.names).dropna(axis=1, how="all")
    if by_seed.empty:
        return []
    means = pd.Series(finite_mean(by_seed.to_numpy(), axis=0), index=by_seed.columns)
    ends = {"worst": means.idxmin(), "best": means[::-1].idxmax()}
    of_first = f"; seed {cases.seeds[0]}: {{:.3f}}" if len(cases.seeds) > 1 else ""
    return [
        (end, case, f", Dice {means[case]:.3f}{of_first.format(by_seed[case].iloc[0])}") for end, case in ends.items()
    ]


def _read_case(
    case: str,
    image: str | Path,
    reference: str | Path,
    folder: str | Path,
    values: list[list[int]],
    slice_axis: int | None,
) -> Overlay:
    return read_overlay(case, image, reference, {"mask": mask_path(folder, case)}, values, slice_axis)
