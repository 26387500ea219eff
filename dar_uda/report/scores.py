"""The scores of a run as the page shows them: tables whose cells know by what they are sorted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dar_uda.evaluation.case_means import read_case_means
from dar_uda.evaluation.score import read_metrics
from dar_uda.evaluation.tables import MEAN, ordered_methods, ranked


@dataclass(frozen=True)
class Cell:
    """Text, in small type what stands below it, and the value to sort by (None: last, "": by the text)."""

    text: str
    note: str = ""
    value: float | None | str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A sortable table; the first column names the rows."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def read_summary(path: str) -> pd.DataFrame:
    """Return a table of `tabulate`, empty cells as NaN."""
    return pd.read_csv(path, sep="\t", dtype={"method": str, "structure": str}, keep_default_na=False, na_values=[""])


def score_table(summary: pd.DataFrame, structures: Sequence[str]) -> Table:
    """Return one row per method of a direction's rows: Dice of each structure, then the means, missed and gap closed.

    The best of each column is marked, as `tabulate` does.
    """
    names = [*structures, MEAN]
    methods = list(dict.fromkeys(summary["method"]))
    by = {name: summary[summary["structure"] == name].set_index("method") for name in names}
    dice_ranks = {name: ranked(by[name]["dice_mean"], highest_first=True) for name in names}
    finds_all = summary.set_index("method")["asd_mean"].notna().groupby(level=0).all()
    asd_ranks = ranked(by[MEAN]["asd_mean"].where(finds_all), highest_first=False)
    rows = []
    for method in methods:
        mean = by[MEAN].loc[method]
        dices = [_with_interval(by[name].loc[method], "dice", 3, dice_ranks[name].get(method) == 1) for name in names]
        asd = _with_interval(mean, "asd", 2, asd_ranks.get(method) == 1)
        missed, gap = number_cell(mean["missed"], ".0f"), number_cell(mean["gap_closed"], ".0%")
        rows.append([Cell(method), number_cell(mean["n"], ".0f"), *dices, asd, missed, gap])
    header = [
        "method",
        "n",
        *(f"Dice {name}" for name in structures),
        "mean Dice",
        "mean ASD mm",
        "missed",
        "gap closed",
    ]
    return Table("Scores", header, rows)


def case_table(metrics: Sequence[dict]) -> Table:
    """Return one row per method and case, means over structures and seeds, of one direction's files.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
    """
    rows = []
    for _, method in ordered_methods(metrics):
        cases = read_case_means(entry["path"] for entry in metrics if entry["method"] == method)
        for case, means in cases.iterrows():
            values = [
                number_cell(means[name], form) for name, form in (("dice", ".3f"), ("asd_mm", ".2f"), ("missed", ".0f"))
            ]
            rows.append([Cell(method), Cell(str(case)), *values])
    return Table("Every case", ["method", "case", "mean Dice", "mean ASD mm", "missed"], rows)


def disagreement_table(disagreements: pd.DataFrame) -> Table:
    """Return one row per case, a column per method: the mean over the structures of one direction's rows."""
    methods, cases = (list(dict.fromkeys(disagreements[name])) for name in ("method", "case"))
    means = disagreements.groupby(["case", "method"])["disagreement"].mean()
    rows = [[Cell(case), *(number_cell(means.get((case, method)), ".3f") for method in methods)] for case in cases]
    return Table("Disagreement", ["case", *methods], rows)


def missed_cases(metrics: Sequence[dict]) -> dict[str, dict[str, list[str]]]:
    """Return the cases that a method misses in any seed, by method and structure; nothing where it misses none."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in metrics:
        rows = read_metrics(entry["path"])
        for row in rows[rows["status"] == "missed"].itertuples():
            cases = found.setdefault(entry["method"], {}).setdefault(row.structure, [])
            cases += [row.case] if row.case not in cases else []
    return found


def headline(means: Mapping[str, float]) -> str:
    """Return a direction's result in one or two sentences, from the mean Dice by method; empty where there is none.

    It tells of `dar_uda`, between `source_only` and `supervised` where those are there.
    """
    known = {method: value for method, value in means.items() if pd.notna(value)}
    if "dar_uda" not in known:
        return ""
    parts = [f"DAR-UDA reaches a mean Dice of {known['dar_uda']:.3f}"]
    if "source_only" in known:
        parts.append(f"without adaptation it is {known['source_only']:.3f}")
    if "supervised" in known:
        parts.append(f"with labels of the target {known['supervised']:.3f}")
    text = "; ".join(parts) + "."
    low, high = known.get("source_only"), known.get("supervised")
    if low is not None and high is not None and high > low:
        text += f" So {(known['dar_uda'] - low) / (high - low):.0%} of the gap between the two is closed."
    return text


def number_cell(value: float | None, form: str) -> Cell:
    """Return a number as text in this format, a dash where there is none."""
    return Cell("–", value=None) if pd.isna(value) else Cell(format(value, form), value=float(value))


def _with_interval(row: pd.Series, name: str, digits: int, best: bool) -> Cell:
    mean, low, high = (row[f"{name}_{end}"] for end in ("mean", "ci_low", "ci_high"))
    cell = number_cell(mean, f".{digits}f")
    note = "" if pd.isna(low) else f"{low:.{digits}f} to {high:.{digits}f}"
    return Cell(cell.text, note, cell.value, best)
