"""What all figures share: colors that color-blind readers tell apart, and whole-or-absent PNG and SVG files."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dar_uda.jobs.files import write_beside

# Okabe and Ito, Color Universal Design (2008); black last, it is the color of text and axes.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000"]
# The same for drawing on gray images: the light ones first, no black.
COLORS_ON_IMAGES = ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DPI = 130
NO_METADATA = {"png": ["Software"], "svg": ["Date", "Creator", "Format", "Type"]}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, outside pyplot: no display, no global state."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save_figure(figure: Figure, files: Sequence[str | Path], stamp: str) -> None:
    """Write a figure into each of the files, PNG or SVG as its suffix says; the same figure gives the same file.

    Text in an SVG stays text. What it holds as pixels (images, dense lines) has `DPI`.

    Args:
        stamp: What run the figure is of, over it in small type.
    """
    if stamp:
        figure.suptitle(stamp, x=0.01, ha="left", fontsize=6, color="0.4")
    for path in map(Path, files):
        form = path.suffix.removeprefix(".")
        with write_beside(path) as partial, rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
            figure.savefig(partial, format=form, metadata=dict.fromkeys(NO_METADATA[form]))


def color_of(index: int, colors: list[str] = COLORS) -> str:
    """Return the color of the n-th thing; after the last color they start anew."""
    return colors[index % len(colors)]


def hide_ticks(axes: Axes) -> None:
    """Leave an image its title and labels, without ticks and frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def plain_frame(axes: Axes) -> None:
    """Leave a plot the left and the lower axis, and a pale grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
