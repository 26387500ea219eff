"""What tables show of the scores of a direction: the cells of every method, ranked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from dar_uda.evaluation.cells import COUNT, MILLIMETERS, PERCENT, SCORE, SIGNED, Cell, Table, ranking
from dar_uda.evaluation.intervals import RANGE
from dar_uda.evaluation.summary import MEAN


def structures_of(summary: pd.DataFrame) -> list[str]:
    """Return the names of the structures, in the order of the rows of `read_summary`."""
    return [name for name in summary["structure"].unique() if name != MEAN]


def interval_of(summary: pd.DataFrame) -> str:
    """Return the kind of the intervals of the mean Dice, such as `95% t`; empty where there are none."""
    return " or ".join(summary.loc[summary["structure"] == MEAN, "dice_interval"].dropna().unique())


def score_rows(summary: pd.DataFrame, ceilings: Sequence[str]) -> list[list[Cell]]:
    """Return one row per method of a direction's rows of `read_summary`.

    The cells are method, n, seeds, Dice of each structure, then of the row `mean` Dice, ASD, missed, false alarms and
    gap closed. Best and second best Dice and ASD have a rank, without the ceilings; in ASD without those that never
    find a structure, for their mean is over what they do find.

    Args:
        ceilings: Methods trained on labels of the target.
    """
    by_structure = {name: rows.set_index("method") for name, rows in summary.groupby("structure", sort=False)}
    mean = by_structure[MEAN]
    is_found = summary["asd_mean"].notna() | (summary["n"] == 0)
    finds_all = is_found.groupby(summary["method"]).all()
    dice_ranking = {
        name: ranking(rows["dice_mean"].drop(ceilings, errors="ignore"), highest_first=True)
        for name, rows in by_structure.items()
    }
    asd_ranking = ranking(mean["asd_mean"].where(finds_all).drop(ceilings, errors="ignore"), highest_first=False)
    gaps = zip(mean["gap_closed"], mean["gap_low"], mean["gap_high"], strict=True)
    columns = [
        [Cell(method) for method in mean.index],
        *([Cell(count, COUNT) for count in mean[name]] for name in ("n", "seeds")),
        *(_measured(rows, "dice", SCORE, dice_ranking[name]) for name, rows in by_structure.items()),
        _measured(mean, "asd", MILLIMETERS, asd_ranking),
        *([Cell(count, COUNT) for count in mean[name]] for name in ("missed", "false_alarms")),
        [Cell(closed, PERCENT, (low, high)) for closed, low, high in gaps],
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def seed_table(summary: pd.DataFrame, title: str) -> Table:
    """Return the Dice under each seed, a row per method and a column per structure, of a direction's rows."""
    by_method = summary.groupby("method", sort=False)["dice_by_seed"]
    rows = [[Cell(method), *map(_by_seed, means)] for method, means in by_method]
    return Table(title, ["method", *summary["structure"].unique()], rows)


def gain_remarks(summary: pd.DataFrame) -> list[str]:
    """Return what methods gain in mean Dice whose place in the gap would say little, of a direction's rows."""
    rows = summary[(summary["structure"] == MEAN) & summary["gap_closed"].isna()]
    return [
        f"`{row.method}`: {SIGNED(row.above_floor)} mean Dice compared with its floor; no gap closed, for the ceiling "
        "is missing or not clearly higher"
        for row in rows.itertuples()
        if row.above_floor == row.above_floor and row.above_floor != 0
    ]


def _measured(
    rows: pd.DataFrame, name: str, form: Callable[[Any], str], ranking_of_methods: Mapping[str, int]
) -> list[Cell]:
    """Return a cell per method: mean, interval and rank of a metric; a range is called so."""
    columns = (rows[f"{name}_{part}"] for part in ("mean", "low", "high", "interval"))
    return [
        Cell(mean, form, (low, high), ranking_of_methods.get(str(method)), RANGE if kind == RANGE else "")
        for method, mean, low, high, kind in zip(rows.index, *columns, strict=True)
    ]


def _by_seed(means: Any) -> Cell:
    return Cell(means, lambda text: " ".join(SCORE(float(mean)) for mean in text.split()))
