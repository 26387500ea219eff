"""One page with a slice of each domain on the planned grid, its labels and intensities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dar_uda.data.geometry import spacing_of
from dar_uda.data.network_volume import LEVELS, open_affine, open_image, open_label
from dar_uda.figures.style import hide_ticks, new_figure, save_figure
from dar_uda.plan.task import Task
from dar_uda.project.trial import Example
from dar_uda.report.figures.overlay import Overlay, draw_legend, draw_overlay

SIDE = 3.6
"""Inches of a panel."""


def draw_page(examples: Sequence[Example], task: Task, page: Path) -> None:
    """Draw a row for each example: the slice as networks see it, and with its labels.

    Args:
        page: PNG to write.
    """
    figure = new_figure(2 * SIDE + 0.6, len(examples) * (SIDE + 0.5) + 0.6)
    panels = figure.subplots(len(examples), 2, squeeze=False)
    for (plain, labeled), example in zip(panels, examples, strict=True):
        classes = open_label(example.label) if example.label else None
        image = open_image(example.image)
        depth = _fullest(classes) if classes is not None else len(image) // 2
        stored = image[depth] / LEVELS
        plain.imshow(stored, cmap="gray", vmin=0, vmax=1)
        hide_ticks(plain)
        intensity = ", ".join(f"{key} {value}" for key, value in task.domains[example.case.domain].intensity.items())
        spacing = " x ".join(f"{step:.3g}" for step in spacing_of(open_affine(example.image)))
        plain.set_title(f"{example.case.domain}: {example.case.name}, slice {depth} of {len(image)}", fontsize=8)
        plain.set_xlabel(f"{intensity}; {stored.shape[1]} x {stored.shape[0]} pixels, {spacing} mm", fontsize=7)
        row = Overlay(stored, 1.0, {})
        draw_overlay(labeled, row, classes[depth] if classes is not None else None)
    draw_legend(figure, list(task.structures))
    save_figure(figure, [page], f"{task.name}: what networks see of one scan of each domain")


def _fullest(classes: np.ndarray) -> int:
    """Return the slice with the most structures, of several the one with the most labeled voxels."""
    counts = [(len(np.unique(plane)), int((plane > 0).sum())) for plane in classes]
    return max(range(len(counts)), key=counts.__getitem__)
