"""The pages of a table of methods and directions: scores, what trainings took, TTA inconsistency of every case."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.cells import Cell, Table
from dar_uda.evaluation.costs import COSTS, UNKNOWN, read_costs
from dar_uda.evaluation.pages import Page, write_page
from dar_uda.evaluation.score_rows import gain_remarks, interval_of, score_rows, seed_table, structures_of
from dar_uda.evaluation.summary import read_summary
from dar_uda.evaluation.tta_inconsistency import read_tta_inconsistency, tta_inconsistency_table

NOTES = """\
Dice and ASD are means over the cases, each first averaged over the seeds; a case's mean Dice and ASD are the means over
the structures that it has. `n` counts the cases whose reference has a structure: Dice counts there alone. In brackets
behind the mean Dice, "95% t": the 95 % interval for other cases and other trainings, by a t distribution; "95% t, cases
only", with one seed: for other cases and this very training; "range", with fewer than 5 cases: from the lowest to the
highest case. Missed: how often, over cases, structures and seeds, the reference has voxels and the prediction has none:
Dice 0, left out of the ASD. False alarms: the other way round, left out of both. Gap closed: the mean Dice gained over
`source_only`, in percent of what `supervised` gains; of 2D segmenters over `source_only_2d`, of what `supervised_2d`
gains; in brackets its 95 % interval, with one seed for other cases and these very trainings. It is empty unless the
ceiling is clearly, and by more than 0.1, above the floor.
TTA inconsistency, found without labels: 1 - Dice between the masks of a scan and of the same scan flipped, brighter,
darker or shifted in intensity (test-time augmentation, TTA), on the network grid; means over the structures and seeds.
Best (bold) and second best of a column are marked, without those trained on labels of the target, and in ASD without
those that never find one of the structures. A mark says nothing of whether the difference is larger than chance.
"""


def write_pages(
    table: str | Path,
    tta_inconsistency: Sequence[dict],
    unavailable: Sequence[dict],
    notes: Mapping[str, str],
    usage: Mapping[str, Sequence[str | Path]],
    ceilings: Sequence[str],
    stamp: str,
    pages: Sequence[str | Path],
) -> None:
    """Write a table of `write_summary` to be read: per direction its scores and the TTA inconsistency of every case.

    Args:
        table: TSV of `write_summary`.
        tta_inconsistency: See `read_tta_inconsistency`; of masks that no label scores too.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run.
        notes: What the pages say of methods that differ from the paper in training or inference, by method.
        usage: Files of `write_usage` by method, whose means the pages show; empty: no such columns.
        ceilings: See `score_rows`.
        stamp: What the pages say of the run: task, protocol, budget, seeds.
        pages: Output files, by their suffix Markdown, LaTeX or HTML.
    """
    summary, changes, costs = read_summary(table), read_tta_inconsistency(tta_inconsistency), read_costs(usage)
    tables = []
    for direction in summary["direction"].unique():
        rows, changed = (frame[frame["direction"] == direction] for frame in (summary, changes))
        remarks = _remarks(rows, notes, [entry for entry in unavailable if entry["direction"] == direction])
        tables += _score_tables(direction, rows, ceilings, costs, [*remarks, *gain_remarks(rows)])
        if rows["seeds"].max() > 1:
            tables.append(seed_table(rows, f"{direction}, Dice by seed"))
        if not changed.empty:
            tables.append(tta_inconsistency_table(changed, f"{direction}, TTA inconsistency"))
    write_page(Page(stamp, tables, NOTES), pages)


def _score_tables(
    direction: str,
    summary: pd.DataFrame,
    ceilings: Sequence[str],
    costs: Mapping[str, Sequence[Cell]],
    remarks: Sequence[str],
) -> list[Table]:
    """Return two tables with one row per method: its means, with intervals of Dice and gap; its Dice by structure.

    Costs, if there are any, follow the means.
    """
    structures, kind = structures_of(summary), interval_of(summary)
    dice = f"mean Dice [{kind}]" if kind else "mean Dice"
    header = ["method", "n", "seeds", dice, "ASD mm", "missed", "false alarms", "gap closed"]
    means, by_structure = [], []
    for method, n, seeds, *scores in score_rows(summary, ceilings):
        dices, (mean, asd, *rest) = scores[: len(structures)], scores[len(structures) :]
        cost = costs.get(method.text, UNKNOWN) if costs else []
        means.append([method, n, seeds, mean, replace(asd, interval=()), *rest, *cost])
        by_structure.append([method, *(replace(cell, interval=()) for cell in dices)])
    return [
        Table(direction, header + (COSTS if costs else []), means, remarks),
        Table(f"{direction}, Dice by structure", ["method", *structures], by_structure),
    ]


def _remarks(summary: pd.DataFrame, notes: Mapping[str, str], absent: Sequence[dict]) -> list[str]:
    remarks = [f"`{method}`: {notes[method]}" for method in summary["method"].unique() if method in notes]
    return remarks + [f"`{entry['method']}` has no result: {entry['reason']}" for entry in absent]
