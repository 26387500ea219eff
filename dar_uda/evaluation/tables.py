"""The pages of a table of methods and directions: scores, what trainings took, TTA inconsistency of every case."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dar_uda.evaluation.bootstrap import COVERAGE
from dar_uda.evaluation.cells import Cell, Table
from dar_uda.evaluation.costs import COSTS, UNKNOWN, read_costs
from dar_uda.evaluation.pages import Page, write_page
from dar_uda.evaluation.score_rows import score_rows, structures_of
from dar_uda.evaluation.summary import read_summary
from dar_uda.evaluation.tta_inconsistency import read_tta_inconsistency, tta_inconsistency_table

NOTES = f"""\
Dice and ASD are means over the `n` cases, each first averaged over the seeds; mean Dice and ASD are the means
over the structures, in brackets the {COVERAGE:.0%} bootstrap interval over the cases and the seeds. Missed: how
often, over cases, structures and seeds, only one of prediction and reference has voxels: Dice 0, left out of the ASD.
Gap closed: the mean Dice gained over `source_only`, in percent of what `supervised` gains; of 2D segmenters over
`source_only_2d`, of what `supervised_2d` gains. TTA inconsistency, found without labels: 1 - Dice between the masks
of a scan and of the same scan flipped, brighter, darker or shifted in intensity (test-time augmentation, TTA), on the
network grid; means over the structures and seeds. Best and second best of a column, without
those trained on labels of the target, are marked; in ASD without those that never find one of the structures.
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
        tables.append(_score_table(direction, rows, ceilings, costs, remarks))
        if not changed.empty:
            tables.append(tta_inconsistency_table(changed, f"{direction}, TTA inconsistency"))
    write_page(Page(stamp, tables, NOTES), pages)


def _score_table(
    direction: str,
    summary: pd.DataFrame,
    ceilings: Sequence[str],
    costs: Mapping[str, Sequence[Cell]],
    remarks: Sequence[str],
) -> Table:
    """Return one row per method: its scores, an interval at the mean Dice alone, and its costs, if there are any."""
    structures = structures_of(summary)
    means = [f"mean Dice [{100 * COVERAGE:.0f} %]", "ASD mm", "missed", "gap closed"]
    header = ["method", "n", *structures, *means]
    place = len(header) - len(means)
    rows = []
    for row in score_rows(summary, ceilings):
        scores = [cell if index == place else replace(cell, interval=()) for index, cell in enumerate(row)]
        rows.append([*scores, *(costs.get(row[0].text, UNKNOWN) if costs else [])])
    return Table(direction, header + (COSTS if costs else []), rows, remarks)


def _remarks(summary: pd.DataFrame, notes: Mapping[str, str], absent: Sequence[dict]) -> list[str]:
    remarks = [f"`{method}`: {notes[method]}" for method in summary["method"].unique() if method in notes]
    return remarks + [f"`{entry['method']}` has no result: {entry['reason']}" for entry in absent]
