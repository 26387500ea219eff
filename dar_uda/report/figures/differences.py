"""How much methods differ from one of them, patient by patient."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dar_uda.evaluation.differences import Difference, compare, paired_values, read_methods
from dar_uda.evaluation.means import finite_mean
from dar_uda.evaluation.quantities import HIGHEST, LOWEST, METRICS
from dar_uda.figures.style import color_of, new_figure, plain_frame, save_figure

WIDTH, ROW = 7.5, 0.55  # inches
PATIENTS = -0.26, 0.1
"""Highest and lowest dot of a method, downwards from its place on the axis; methods are 1 apart."""
MEAN_AT = 0.3
"""The mean, likewise."""
SIDES = {HIGHEST: ("worse", "better"), LOWEST: ("better", "worse")}
"""What left and right of zero mean."""


def draw_differences(
    metrics: list[dict],
    structures: list[str],
    reference: str,
    metric: str,
    figures: Sequence[str | Path],
    stamp: str = "",
) -> None:
    """Draw a metric of every patient under each method minus that under the reference row, means and their intervals.

    Methods lie below each other; a patient has the same height in each. A method that lacks a value of a patient says
    of how many it is; a structure of which one of both has no value counts in neither.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`, of one direction; seeds are
            averaged.
        structures: Names; a patient's value is the mean over them.
        reference: Method of the reference row.
        metric: Its name, see `METRICS`.
        figures: Output files, PNG or SVG.
        stamp: What it says of the run, in small type.
    """
    cases = {method: read for (_, method), read in read_methods(metrics, structures).items()}
    shown = [method for method in cases if method != reference]
    pairs = [(cases[method], cases[reference], METRICS[metric]) for method in shown]
    differences = np.array([finite_mean(paired_values(*pair), axis=0) for pair in pairs])
    found = [compare(*pair) for pair in pairs]
    colors = [color_of(index) for index, method in enumerate(cases) if method != reference]

    page = new_figure(WIDTH, ROW * len(shown) + 1.3)
    axes = page.subplots()
    axes.axvline(0, color="0.3", linewidth=1)
    _draw_patients(axes, differences, colors)
    _draw_means(axes, found, colors)
    axes.set_yticks(range(len(shown)), _names(shown, found, differences.shape[1]), fontsize=9)
    axes.set(xlabel=_direction_of_better(metric, reference), ylim=(len(shown) - 0.5, -0.5))
    axes.set_title(metrics[0]["direction"], fontsize=10)
    plain_frame(axes)
    axes.grid(visible=False, axis="y")
    page.legend(handles=_legend(found), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    save_figure(page, figures, stamp)


def _draw_patients(axes: Axes, differences: NDArray[np.float64], colors: list[str]) -> None:
    """Draw differences of shape (methods, patients), the dots of each patient joined."""
    heights = np.arange(len(differences))[:, None] + _heights(differences.shape[1])
    axes.plot(differences, heights, color="0.8", linewidth=min(0.6, 15 / differences.shape[1]))
    for values, places, color in zip(differences, heights, colors, strict=True):
        axes.scatter(values, places, s=14, color=color, edgecolor="white", linewidths=0.4, zorder=3)


def _heights(patients: int) -> NDArray[np.float64]:
    return np.linspace(*PATIENTS, patients) if patients > 1 else np.zeros(1)


def _draw_means(axes: Axes, found: list[Difference], colors: list[str]) -> None:
    for place, (one, color) in enumerate(zip(found, colors, strict=True)):
        axes.plot([one.low, one.high], [place + MEAN_AT] * 2, color=color, linewidth=2.5, solid_capstyle="butt")
        axes.scatter(one.difference, place + MEAN_AT, s=34, marker="D", color=color, edgecolor="black", zorder=4)


def _names(methods: list[str], found: list[Difference], patients: int) -> list[str]:
    pairs = zip(methods, found, strict=True)
    return [name if one.n == patients else f"{name}\n{one.n} of {patients} patients" for name, one in pairs]


def _direction_of_better(metric: str, reference: str) -> str:
    of, sides = METRICS[metric], SIDES.get(METRICS[metric].best)
    text = f"{of.title} minus that of {reference}"
    return f"{sides[0]} \N{LEFTWARDS ARROW}   {text}   \N{RIGHTWARDS ARROW} {sides[1]}" if sides else text


def _legend(found: list[Difference]) -> list[Line2D]:
    kinds = " or ".join(dict.fromkeys(one.interval for one in found if one.interval))
    mean = {"marker": "D", "markersize": 5, "color": "0.5", "markeredgecolor": "black"}
    return [
        Line2D([], [], marker="o", markersize=4, linewidth=0.6, color="0.5", label="a patient"),
        Line2D([], [], linewidth=2.5 if kinds else 0, **mean, label=f"mean [{kinds}]" if kinds else "mean"),
    ]
