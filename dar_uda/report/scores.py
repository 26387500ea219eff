"""The scores of a run as the page shows them."""

from collections.abc import Sequence

import pandas as pd

from dar_uda.evaluation.case_means import ordered_methods, read_case_means, read_scores
from dar_uda.evaluation.cells import COUNT, MILLIMETERS, PERCENT, SCORE, Cell, Table
from dar_uda.evaluation.score_rows import score_rows, structures_of


def score_table(summary: pd.DataFrame, ceilings: Sequence[str]) -> Table:
    """Return one row per method of a direction's rows of `read_summary`, see `score_rows`."""
    dices = [f"Dice {name}" for name in structures_of(summary)]
    header = ["method", "n", "seeds", *dices, "mean Dice", "mean ASD mm", "missed", "false alarms", "gap closed"]
    return Table("Scores", header, score_rows(summary, ceilings))


def case_table(metrics: Sequence[dict]) -> Table:
    """Return one row per method and case, means over structures and seeds, of one direction's files.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
    """
    rows = []
    for _, method in ordered_methods(metrics):
        cases = read_case_means(entry["path"] for entry in metrics if entry["method"] == method)
        for case, means in cases.iterrows():
            scores = Cell(means["dice"], SCORE), Cell(means["asd_mm"], MILLIMETERS)
            counts = Cell(means["missed"], COUNT), Cell(means["false_alarms"], COUNT)
            rows.append([Cell(method), Cell(case), *scores, *counts])
    return Table("Every case", ["method", "case", "mean Dice", "mean ASD mm", "missed", "false alarms"], rows)


def cases_with(failure: str, metrics: Sequence[dict]) -> dict[str, dict[str, list[str]]]:
    """Return the cases with a failure under any seed, by method and structure; nothing where a method has none.

    Args:
        failure: `missed` or `false_alarm`, see `read_scores`.
        metrics: See `case_table`.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for entry in metrics:
        rows = read_scores(entry["path"])
        for row in rows[rows[failure]].itertuples():
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
