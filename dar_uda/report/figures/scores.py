"""How Dice and ASD spread over the test cases."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from dar_uda.evaluation.case_means import Cases, ordered_methods, read_cases
from dar_uda.evaluation.means import finite_mean
from dar_uda.figures.style import MARKERS, color_of, new_figure, plain_frame, save_figure

DISTANCES = [0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]
"""Ticks in mm of an axis that is linear up to 1 mm, then logarithmic."""

OF_SEED = {"marker": "D", "markersize": 4, "linestyle": "", "markeredgecolor": "black", "markeredgewidth": 0.6}
BESIDE = 0.42
"""How far right of the middle of a box the means of its seeds are."""


def draw_dice_boxes(metrics: list[dict], structures: list[str], figures: Sequence[str | Path], stamp: str = "") -> None:
    """Draw the Dice of every case, a box per method: one panel per structure, one row per direction.

    With several seeds, the box has the cases averaged over the seeds, and beside it is the mean under each seed.
    A method without metrics in a direction leaves its place empty there.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
        structures: Names, in the order of the panels.
        figures: Output files, PNG or SVG.
        stamp: What it says of the run, in small type.
    """
    pairs = ordered_methods(metrics)
    directions, methods = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
    has_seeds = len({entry["seed"] for entry in metrics}) > 1
    width = max(0.8 + (0.5 if has_seeds else 0.4) * len(methods), 1.8)
    page = new_figure(width * len(structures) + 0.6, 3.4 * len(directions) + 0.3 * has_seeds)
    grid = page.subplots(len(directions), len(structures), squeeze=False, sharey=True)
    for direction, line in zip(directions, grid, strict=True):
        read = [_read(metrics, direction, method, structures) for method in methods]
        for index, (structure, axes) in enumerate(zip(structures, line, strict=True)):
            cases = [of_method and of_method.of_structures(slice(index, index + 1)) for of_method in read]
            _draw_boxes(axes, cases)
            axes.set_xticks(range(len(methods)), methods, rotation=35, ha="right", fontsize=8)
            axes.set_title(structure, fontsize=10)
        line[0].set_ylabel(f"{direction}\nDice", fontsize=9)
    if has_seeds:
        mark = Line2D([], [], color="0.5", label="mean under one seed", **OF_SEED)
        page.legend(handles=[mark], loc="outside lower center", frameon=False, fontsize=8)
    save_figure(page, figures, stamp)


def _read(metrics: list[dict], direction: str, method: str, structures: list[str]) -> Cases | None:
    """Return what a method reaches; None where it has no metrics."""
    files = [entry for entry in metrics if (entry["direction"], entry["method"]) == (direction, method)]
    return read_cases(files, structures) if files else None


def _draw_boxes(axes: Axes, methods: list[Cases | None]) -> None:
    """Draw the Dice of one structure, a box per method."""
    rng = np.random.default_rng(0)
    for position, cases in enumerate(methods):
        dice = finite_mean(cases.means("dice"), axis=0) if cases else np.empty(0)
        dice = dice[np.isfinite(dice)]
        if cases is None or not dice.size:
            continue
        color = color_of(position)
        box = axes.boxplot(
            dice, positions=[position], widths=0.6, showfliers=False, patch_artist=True, manage_ticks=False
        )
        box["boxes"][0].set(facecolor=to_rgba(color, 0.25), edgecolor=color)
        box["medians"][0].set(color="black", linewidth=1.5)
        spread = position + rng.uniform(-0.18, 0.18, len(dice))
        axes.scatter(spread, dice, s=12, color=color, edgecolor="white", linewidths=0.4, zorder=3)
        if len(cases.seeds) > 1:
            means = finite_mean(cases.by_patient("dice"), axis=1)
            axes.plot(np.full(len(means), position + BESIDE), means, color=color, clip_on=False, zorder=3, **OF_SEED)
    axes.set(xlim=(-0.6, len(methods) - 0.4), ylim=(-0.03, 1.03))
    plain_frame(axes)
    axes.grid(visible=False, axis="x")


def draw_dice_against_asd(metrics: list[dict], figures: Sequence[str | Path], stamp: str = "") -> None:
    """Draw every case at its Dice and its ASD, both means over the structures, a color and a marker per method.

    A case with a false negative, under any seed, has a hollow marker: its ASD leaves that structure out. A case without
    any ASD has no marker; the legend counts those.

    Args:
        metrics, figures, stamp: See `draw_dice_boxes`; of one direction, seeds are averaged.
    """
    page = new_figure(7.5, 5)
    axes, highest = page.subplots(), 1.0
    for index, (_, method) in enumerate(ordered_methods(metrics)):
        cases = read_cases([m for m in metrics if m["method"] == method]).table()
        drawn = cases.dropna(subset=["dice", "asd"])
        highest = max(highest, drawn["asd"].max()) if len(drawn) else highest
        without = len(cases) - len(drawn)
        label = f"{method} ({without} without ASD)" if without else method
        color = color_of(index)
        style = {"s": 44, "marker": MARKERS[index % len(MARKERS)], "edgecolors": color, "linewidths": 1.2}
        faces = [to_rgba(color, 0.0 if count else 0.75) for count in drawn["false_negatives"]]
        axes.scatter(drawn["dice"], drawn["asd"], facecolors=faces, **style)
        axes.scatter([], [], facecolors=to_rgba(color, 0.75), label=label, **style)
    axes.scatter([], [], s=44, facecolors="none", edgecolors="0.4", label="hollow: a false negative")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_yticks(DISTANCES, [f"{distance:g}" for distance in DISTANCES])
    axes.set_ylim(0, highest * 1.25)
    axes.set(xlabel="Dice of a case (1 is perfect)", ylabel="ASD of a case in mm (0 is perfect)", xlim=(-0.03, 1.03))
    plain_frame(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    save_figure(page, figures, stamp)
