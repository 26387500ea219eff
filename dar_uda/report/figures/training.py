"""How the trainings went: one panel of loss curves per training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dar_uda.figures.style import COLORS, color_of, new_figure, plain_frame, save_figure

LINE_STYLES = ["-", "--", ":", "-."]
SMOOTHING = 1 / 50  # of a training, averaged around each step
LOG_SPAN = 20  # a panel gets a logarithmic axis where its smoothed losses span more than this factor


def draw_loss_curves(histories: dict[str, str | Path], figures: Sequence[str | Path], stamp: str = "") -> None:
    """Draw the smoothed losses of every training over the optimizer steps.

    Args:
        histories: For each training's name its TSV: the column `step`, and one column per loss.
        figures: Output files, PNG or SVG, one panel per training.
        stamp: What it says of the run, in small type.

    Raises:
        ValueError: There is no history, or one has no column `step` or no loss.
    """
    if not histories:
        raise ValueError("DAR-360: There is no training history to draw: pass at least one")
    page = new_figure(9, 0.3 + 3 * len(histories))
    panels = page.subplots(len(histories), squeeze=False)[:, 0]
    for axes, (name, path) in zip(panels, histories.items(), strict=True):
        _draw_losses(axes, _read_history(path))
        axes.set_title(name, loc="left", fontweight="bold", fontsize=10)
    save_figure(page, figures, stamp)


def _read_history(path: str | Path) -> pd.DataFrame:
    """Return the losses by step."""
    history = pd.read_csv(path, sep="\t")
    if "step" not in history or len(history.columns) < 2:
        raise ValueError(f"DAR-280: {path} has the columns {list(history.columns)}, expected `step` and losses")
    return history.set_index("step")


def _draw_losses(axes: Axes, losses: pd.DataFrame) -> None:
    smoothed = losses.rolling(max(1, round(len(losses) * SMOOTHING)), center=True, min_periods=1).mean()
    for index, name in enumerate(losses):
        style = LINE_STYLES[index // len(COLORS) % len(LINE_STYLES)]
        marker = "o" if len(losses) == 1 else None
        axes.plot(losses.index, losses[name], color=color_of(index), linewidth=0.4, alpha=0.25, rasterized=True)
        axes.plot(smoothed[name], style, color=color_of(index), linewidth=1.5, marker=marker, label=name)
    axes.set(xlabel="step", ylabel="loss", yscale="log" if _spans_decades(smoothed.to_numpy()) else "linear")
    plain_frame(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)


def _spans_decades(values: NDArray[np.float64]) -> bool:
    values = values[np.isfinite(values)]
    return values.size > 0 and values.min() > 0 and values.max() > LOG_SPAN * values.min()
