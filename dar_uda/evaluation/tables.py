"""The pages of a table of methods and directions: scores, what trainings took, TTA inconsistency of every case."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from dar_uda.evaluation.adaptation import adaptation_of, verdicts_in_words
from dar_uda.evaluation.cells import Table
from dar_uda.evaluation.confidence import look_first_table, read_confidence
from dar_uda.evaluation.costs import COSTS, UNKNOWN, read_costs
from dar_uda.evaluation.differences import SIGNIFICANCE, read_differences, write_differences
from dar_uda.evaluation.intervals import FEWEST_CASES
from dar_uda.evaluation.pages import Page, write_page
from dar_uda.evaluation.quantities import METRICS, meanings
from dar_uda.evaluation.score_tables import (
    detection_table,
    difference_table,
    gain_remarks,
    means_table,
    missing_remarks,
    seed_table,
    structure_table,
)
from dar_uda.evaluation.summary import read_summary, write_summary
from dar_uda.evaluation.tta_inconsistency import read_tta_inconsistency, tta_inconsistency_table

EXTERNAL = (
    "Missing: rows with a number there are masks of another program, read from files, and the number is that of the "
    "scored cases without a file, which count as empty masks: Dice 0, no distance. Such masks count as those of one "
    "training; in a difference to a method of several seeds they are the same under each, so that only that method's "
    "trainings vary. What they were trained on is known only where a remark says that it was labels of the target."
)


def tabulate(
    scores: Sequence[dict],
    unavailable: Sequence[dict],
    structures: list[str],
    bounds: Mapping[str, Sequence[str]],
    ceilings: Sequence[str],
    reference: str,
    choices: Mapping[str, str],
    table: str | Path,
    differences: str | Path,
    missing: Sequence[dict] = (),
    **of_pages: Any,
) -> None:
    """Write the summary of a table, its differences and its pages.

    Args:
        scores, unavailable, structures, bounds, ceilings: See `summarize`, its `metrics` being `scores`.
        reference: See `write_differences`.
        choices: What every row says of the run, by column.
        table, differences: Outputs, TSV.
        missing: See `write_summary`.
        of_pages: What else `write_pages` takes.
    """
    write_summary(scores, unavailable, structures, bounds, ceilings, choices, table, missing)
    write_differences(scores, structures, reference, choices, differences)
    write_pages(table, differences, unavailable=unavailable, ceilings=ceilings, **of_pages)


def write_pages(
    table: str | Path,
    differences: str | Path,
    metrics: Sequence[str],
    tta_inconsistency: Sequence[dict],
    unavailable: Sequence[dict],
    notes: Mapping[str, str],
    usage: Mapping[str, Sequence[str | Path]],
    ceilings: Sequence[str],
    stamp: str,
    pages: Sequence[str | Path],
    confidence: Sequence[dict] = (),
    floors: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a table of `write_summary` to be read: per direction its scores and the TTA inconsistency of every case.

    Args:
        table: TSV of `write_summary`.
        differences: TSV of `write_differences`.
        metrics: Names of the metrics that are shown, see `METRICS`; the first has its interval and differences.
        tta_inconsistency: See `read_tta_inconsistency`; of masks that no label scores too.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run.
        notes: What the pages say of methods that differ from the paper in training or inference, by method.
        usage: Files of `write_usage` by method, whose means the pages show; empty: no such columns.
        ceilings: Methods trained on labels of the target.
        stamp: What the pages say of the run: task, protocol, budget, seeds.
        pages: Output files, by their suffix Markdown, LaTeX or HTML.
        confidence: See `read_confidence`; of the masks of `tta_inconsistency`.
        floors: See `adaptation_of`.
    """
    summary, changes = read_summary(table), read_tta_inconsistency(tta_inconsistency)
    compared, trusted, tables = read_differences(differences), read_confidence(confidence), []
    adaptation = adaptation_of(confidence, floors)
    for direction in summary["direction"].unique():
        rows, differ, changed = (frame[frame["direction"] == direction] for frame in (summary, compared, changes))
        remarks = _remarks(rows, notes, [entry for entry in unavailable if entry["direction"] == direction])
        remarks += [*missing_remarks(rows), *gain_remarks(rows, ceilings)]
        means = means_table(rows, metrics, direction)
        tables.append(_with_costs(Table(means.title, means.header, means.rows, remarks), usage))
        tables += score_tables(rows, differ, metrics, f"{direction}, ")
        sure = trusted[trusted["direction"] == direction]
        if not sure.empty:
            first = look_first_table(sure, f"{direction}, look at these first")
            said = verdicts_in_words(adaptation[adaptation["direction"] == direction])
            tables.append(Table(first.title, first.header, first.rows, said))
        if not changed.empty:
            tables.append(tta_inconsistency_table(changed, f"{direction}, TTA inconsistency"))
    of_external = [EXTERNAL] if "missing" in summary else []
    write_page(Page(stamp, tables, [*explanation(metrics), *of_external]), pages)


def score_tables(summary: pd.DataFrame, differences: pd.DataFrame, metrics: Sequence[str], prefix: str) -> list[Table]:
    """Return the tables below that of the means: metrics by structure, by seed, differences, detection and volumes.

    Args:
        summary, differences: A direction's rows of `read_summary` and `read_differences`.
        metrics: See `write_pages`.
        prefix: Of the titles.
    """
    tables = [structure_table(summary, name, f"{prefix}{METRICS[name].title} by structure") for name in metrics]
    if summary["seeds"].max() > 1:
        tables.append(seed_table(summary, metrics[0], f"{prefix}{METRICS[metrics[0]].title} by seed"))
    if not differences.empty:
        tables.append(difference_table(differences, metrics[0], prefix))
    return [*tables, detection_table(summary, f"{prefix}detection and volumes")]


def explanation(metrics: Sequence[str]) -> list[str]:
    """Return what the numbers of the pages mean, in paragraphs."""
    return [
        *meanings(metrics),
        "Gap closed: the mean Dice gained over `source_only`, in percent of what `supervised` gains; of 2D segmenters "
        "over `source_only_2d`, of what `supervised_2d` gains; its interval in brackets. It is empty unless the "
        "ceiling is clearly, and by more than 0.1, above the floor.",
        "Bold: the best of a column, and all that do not differ from it (paired t-test over the patients, p-values "
        f"corrected by Holm over the rows, below {SIGNIFICANCE}). Not compared are methods known to be trained "
        "on labels of the target and, in distances, those with false negatives; with fewer than "
        f"{FEWEST_CASES} patients nothing is bold.",
        "Differences: of each method from one row, over the same patients and seeds and, in distances, the structures "
        "that both find. Better and worse count patients. p (Holm): how often equal methods would differ as much by "
        "chance, by the same t-test, then corrected for the number of rows; intervals are not corrected. With one "
        "seed, p and bold compare these very trainings.",
        "Look at these first, found without labels: the three cases of each method with the lowest expected Dice of a "
        "structure. It comes from the mean of three numbers: 1 - TTA inconsistency; how well the volume fits the mean "
        "of the source's labels; and, where the run's summary has other adapted methods, Dice with their masks. The "
        "line from this mean to Dice was fitted to generated scans: trust the order more than the value. Whether "
        "adaptation helped is said by the difference in expected Dice without the last of the three.",
        "TTA inconsistency, found without labels: 1 - Dice between the masks of a scan and of the same scan "
        "brighter, darker or shifted in intensity and, where training flipped patches, flipped (test-time "
        "augmentation, TTA), on the network grid; means over the structures and seeds.",
    ]


def _with_costs(means: Table, usage: Mapping[str, Sequence[str | Path]]) -> Table:
    """Return the table with what trainings took behind each row, where usage is asked for."""
    if not usage:
        return means
    costs = read_costs(usage)
    rows = [[*row, *costs.get(row[0].text, UNKNOWN)] for row in means.rows]
    return Table(means.title, [*means.header, *COSTS], rows, means.remarks)


def _remarks(summary: pd.DataFrame, notes: Mapping[str, str], absent: Sequence[dict]) -> list[str]:
    remarks = [f"`{method}`: {notes[method]}" for method in summary["method"].unique() if method in notes]
    return remarks + [f"`{entry['method']}` has no result: {entry['reason']}" for entry in absent]
