"""Whether probabilities are met: observed fractions over predicted probabilities."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from dar_uda.evaluation.calibration import BINS
from dar_uda.evaluation.calibration_table import pooled, read_bins
from dar_uda.evaluation.case_means import ordered_methods
from dar_uda.figures.style import MARKERS, color_of, new_figure, plain_frame, save_figure


def draw_reliability(
    calibration: Sequence[dict], structures: Sequence[str], figures: Sequence[str | Path], stamp: str = ""
) -> None:
    """Draw the reliability curve of every method, a panel per structure, and below it the voxels of each bin.

    Counts of all cases and seeds are pooled. A bin without voxels has no marker. Voxels have a logarithmic axis.

    Args:
        calibration: One `{"direction", "method", "seed", "path"}` per file of `measure_calibration`, of one direction.
        structures: Names, in the order of the panels.
        figures: Output files, PNG or SVG.
        stamp: What it says of the run, in small type.
    """
    page = new_figure(2.6 * len(structures) + 2.2, 4.4)
    panels = page.subplots(2, len(structures), squeeze=False, sharex=True, sharey="row", height_ratios=[3, 1])
    for axes in panels[0]:
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--", label="perfectly calibrated")
    for index, (_, method) in enumerate(ordered_methods(calibration)):
        entries = [entry for entry in calibration if entry["method"] == method]
        bins = pooled(read_bins(entries), ["structure", "bin"])
        for structure, (curve, counts) in zip(structures, panels.T, strict=True):
            _draw_method(curve, counts, bins[bins["structure"] == structure], method, index)
    for structure, (curve, counts) in zip(structures, panels.T, strict=True):
        curve.set_title(structure, fontsize=10)
        curve.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        counts.set(yscale="log", ylim=(0.8, None), xticks=[0, 0.5, 1])
        counts.set_xlabel("predicted probability", fontsize=9)
        for axes in (curve, counts):
            axes.tick_params(labelsize=8)
            plain_frame(axes)
    panels[0, 0].set_ylabel("fraction in the reference", fontsize=9)
    panels[1, 0].set_ylabel("voxels", fontsize=9)
    panels[0, -1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    save_figure(page, figures, stamp)


def _draw_method(curve: Axes, counts: Axes, bins: pd.DataFrame, method: str, index: int) -> None:
    """Draw one method's bins of a structure: the curve, and the number of voxels as steps."""
    filled, color = bins[bins["voxels"] > 0], color_of(index)
    probability, fraction = (filled[name] / filled["voxels"] for name in ("probability_sum", "reference_voxels"))
    marker = MARKERS[index % len(MARKERS)]
    curve.plot(probability, fraction, color=color, marker=marker, markersize=4, linewidth=1.2, label=method)
    edges = [place / BINS for place in range(BINS + 1)]
    counts.stairs(bins["voxels"], edges, color=color, linewidth=1.2)
