"""What tables show of the scores of a direction: the cells of every method, ranked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from dar_uda.evaluation.cells import COUNT, MILLIMETERS, PERCENT, SCORE, Cell, ranking
from dar_uda.evaluation.summary import MEAN


def structures_of(summary: pd.DataFrame) -> list[str]:
    """Return the names of the structures, in the order of the rows of `read_summary`."""
    return [name for name in summary["structure"].unique() if name != MEAN]


def score_rows(summary: pd.DataFrame, ceilings: Sequence[str]) -> list[list[Cell]]:
    """Return one row per method of a direction's rows of `read_summary`.

    The cells are method, n, Dice of each structure, then of the row `mean` Dice, ASD, missed and gap closed. Best and
    second best Dice and ASD have a rank, without the ceilings; in ASD without those that never find a structure, for
    their mean is over what they do find.

    Args:
        ceilings: Methods trained on labels of the target.
    """
    by_structure = {name: rows.set_index("method") for name, rows in summary.groupby("structure", sort=False)}
    mean = by_structure[MEAN]
    finds_all = summary["asd_mean"].notna().groupby(summary["method"]).all()
    dice_ranking = {
        name: ranking(rows["dice_mean"].drop(ceilings, errors="ignore"), highest_first=True)
        for name, rows in by_structure.items()
    }
    asd_ranking = ranking(mean["asd_mean"].where(finds_all).drop(ceilings, errors="ignore"), highest_first=False)
    columns = [
        [Cell(method) for method in mean.index],
        [Cell(count, COUNT) for count in mean["n"]],
        *(_measured(rows, "dice", SCORE, dice_ranking[name]) for name, rows in by_structure.items()),
        _measured(mean, "asd", MILLIMETERS, asd_ranking),
        [Cell(count, COUNT) for count in mean["missed"]],
        [Cell(gap, PERCENT) for gap in mean["gap_closed"]],
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _measured(
    rows: pd.DataFrame, name: str, form: Callable[[Any], str], ranking_of_methods: Mapping[str, int]
) -> list[Cell]:
    """Return a cell per method: mean, interval and rank of a metric."""
    means = rows[f"{name}_mean"].items()
    intervals = zip(rows[f"{name}_ci_low"], rows[f"{name}_ci_high"], strict=True)
    return [
        Cell(mean, form, interval, ranking_of_methods.get(str(method)))
        for (method, mean), interval in zip(means, intervals, strict=True)
    ]
