"""The scores of a run as the page shows them."""

from collections.abc import Sequence

import pandas as pd

from dar_uda.evaluation.case_means import ordered_methods, read_cases, read_scores
from dar_uda.evaluation.cells import COUNT, PERCENT, SCORE, Cell, Table
from dar_uda.evaluation.quantities import COUNTS, METRICS
from dar_uda.evaluation.score import FAILED_DICE, FAILURE, FALSE_ALARM, FALSE_NEGATIVE

FAILURES = (
    ([FALSE_NEGATIVE], "found nothing of a structure"),
    ([FAILURE], f"marked something else (Dice below {FAILED_DICE})"),
    ([FALSE_ALARM], "marked a structure that the label lacks"),
)
"""Statuses of `score_method`, and what the page says of a method that has them."""


def case_table(metrics: Sequence[dict]) -> Table:
    """Return one row per method and case, means over structures and seeds, of one direction's files.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
    """
    rows = []
    for _, method in ordered_methods(metrics):
        cases = read_cases([entry for entry in metrics if entry["method"] == method]).table()
        for case, means in cases.iterrows():
            scores = [Cell(means[metric.name], metric.form) for metric in METRICS.values()]
            rows.append([Cell(method), Cell(case), *scores, *(Cell(means[count.name], COUNT) for count in COUNTS)])
    titles = [entry.title for entry in [*METRICS.values(), *COUNTS]]
    return Table("Every case", ["method", "case", *titles], rows)


def cases_with(statuses: Sequence[str], metrics: Sequence[dict]) -> dict[str, dict[str, list[str]]]:
    """Return the cases with one of these statuses under any seed, by method and structure.

    Nothing where a method has none.

    Args:
        statuses: See `score_method`.
        metrics: See `case_table`.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for entry in metrics:
        rows = read_scores(entry["path"])
        for row in rows[rows["status"].isin(statuses)].itertuples():
            cases = found.setdefault(entry["method"], {}).setdefault(row.structure, [])
            cases += [row.case] if row.case not in cases else []
    return found


def headline(means: pd.DataFrame) -> str:
    """Return a direction's result in one or two sentences, from its rows `mean` by method; empty where there is none.

    It describes `dar_uda`, between `source_only` and `supervised` where those are there.
    """
    known = means["dice_mean"].dropna()
    if "dar_uda" not in known:
        return ""
    parts = [f"DAR-UDA reaches a mean Dice of {SCORE(known['dar_uda'])}"]
    if "source_only" in known:
        parts.append(f"without adaptation it is {SCORE(known['source_only'])}")
    if "supervised" in known:
        parts.append(f"with labels of the target {SCORE(known['supervised'])}")
    text, row = "; ".join(parts) + ".", means.loc["dar_uda"]
    if pd.isna(row["gap_closed"]):
        return text
    text = f"{text} So {PERCENT(row['gap_closed'])} of the gap between the two is closed"
    if pd.isna(row["gap_low"]):
        return f"{text}."
    trainings = ", for these very trainings" if row["seeds"] == 1 else ""
    return f"{text} (95 % interval {PERCENT(row['gap_low'])} to {PERCENT(row['gap_high'])}{trainings})."
