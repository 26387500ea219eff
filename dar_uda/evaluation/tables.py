"""Summarise the metrics of all methods: a TSV to compute with and a Markdown page to read."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.files import write_beside
from dar_uda.evaluation.bootstrap import COVERAGE, bootstrap_interval
from dar_uda.evaluation.score import read_metrics

COLUMNS = [
    *("direction", "method", "structure", "n", "missed"),
    *("dice_mean", "dice_ci_low", "dice_ci_high"),
    *("asd_mean", "asd_ci_low", "asd_ci_high"),
    "gap_closed",
]
MEAN = "mean"
NOTES = f"""\
Dice and ASD are means over the `n` cases, each first averaged over the seeds; mean Dice and ASD are the means
over the structures, in brackets the {COVERAGE:.0%} bootstrap interval over the cases and the seeds. Missed: how
often, over cases, structures and seeds, only one of prediction and reference has voxels: Dice 0, left out of the ASD.
Gap closed: the mean Dice gained over `source_only`, in percent of what `supervised` gains. Disagreement, found
without labels: 1 - Dice between the masks of a scan and of the same scan flipped, brighter, darker or shifted in
intensity, on the network grid; means over the structures and seeds.
"""


def tabulate(
    metrics: list[dict],
    unavailable: list[dict],
    structures: list[str],
    notes: Mapping[str, str],
    table: str | Path,
    markdown: str | Path,
    disagreement: str | Path,
) -> None:
    """Write the summary of all methods and directions, as TSV and as Markdown.

    The unit is the case: with several seeds, a case's Dice (and ASD) is first averaged over the seeds in
    which it has one. Per method there is one row per structure and a row `mean`, the mean of those rows.

    - `n`: cases that count, that is, are not absent (both masks empty) in every seed; in the row `mean`,
      cases that count for any structure.
    - `missed`: (case, seed) pairs where exactly one mask is empty; in the row `mean`, their sum.
    - `*_ci_*`: 95 % percentile bootstrap over the cases and the seeds, see `bootstrap_interval`; empty for fewer than
      two cases.
    - `asd_*`: mm, over what is not missed; in the row `mean`, over the structures that have one.
    - `gap_closed`: (method - source_only) / (supervised - source_only) on `dice_mean`, 1 = all of it;
      empty where one of the two is unavailable or supervised is not better.

    Args:
        metrics: One `{"direction", "method", "seed", "path", "disagreement"}` per file of `score_method`; the
            last is `predict_cases`' table of disagreements.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run, shown with n = 0.
        structures: Names, in the order of the rows.
        notes: What the page says of methods that differ from the paper in training or inference, by method.
        table: Output TSV with the columns `COLUMNS`, four decimals.
        markdown: Output page, one table per direction, with its notes on methods and the disagreement of every case.
        disagreement: Output TSV, `direction method case structure disagreement`: means over the seeds; all test cases
            of the target, labelled or not.

    Raises:
        ValueError: A metrics file lacks a structure, or the seeds of a method have different cases.
    """
    rows = []
    for direction, method in ordered_methods([*metrics, *unavailable]):
        files = [m for m in metrics if (m["direction"], m["method"]) == (direction, method)]
        rows += _method_rows(direction, method, [file["path"] for file in files], structures)
    summary = _with_gap_closed(pd.DataFrame(rows, columns=COLUMNS)).astype({"missed": "Int64"})
    disagreements = read_disagreements(metrics)
    for path, frame in ((table, summary), (disagreement, disagreements)):
        with write_beside(path) as partial:
            frame.to_csv(partial, sep="\t", index=False, float_format="%.4f")
    with write_beside(markdown) as partial:
        partial.write_text(_page(summary, disagreements, unavailable, notes, structures), encoding="utf-8")


def ordered_methods(entries: Iterable[dict]) -> list[tuple[str, str]]:
    """Return every (direction, method) once, by direction, then method, both in order of first appearance."""
    entries = list(entries)
    directions = list(dict.fromkeys(entry["direction"] for entry in entries))
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    present = {(entry["direction"], entry["method"]) for entry in entries}
    return [(d, m) for d in directions for m in methods if (d, m) in present]


def read_cases(paths: list[str | Path], structures: list[str]) -> tuple[NDArray, NDArray, NDArray]:
    """Return Dice, ASD and missed counts of one method, a file per seed.

    Returns:
        Dice and ASD (seeds, cases, structures), NaN where there is none; in how many seeds each was missed
        (cases, structures).
    """
    tables = [read_metrics(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        _check_complete(path, table, tables[0], structures)
    cases = list(dict.fromkeys(tables[0]["case"]))

    def values(table: pd.DataFrame, column: str) -> NDArray:
        return table.set_index(["case", "structure"])[column].unstack().loc[cases, structures].to_numpy(dtype=float)

    dice, asd = (np.stack([values(table, column) for table in tables]) for column in ("dice", "asd_mm"))
    missed = [values(table.assign(missed=table["status"] == "missed"), "missed") for table in tables]
    return dice, asd, np.sum(missed, axis=0)


def mean_over_seeds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (cases, structures), the mean over the seeds that have a value; NaN where none has."""
    counts = np.isfinite(values).sum(axis=0)
    return np.divide(np.nansum(values, axis=0), counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def read_disagreements(metrics: list[dict]) -> pd.DataFrame:
    """Return `direction method case structure disagreement`, means over the files of a method (one per seed)."""
    text = dict.fromkeys(["case", "structure"], str)
    tables = [
        pd.read_csv(m["disagreement"], sep="\t", dtype=text, keep_default_na=False, na_values={"disagreement": [""]})
        .astype({"disagreement": float})
        .assign(direction=m["direction"], method=m["method"])
        for m in metrics
    ]
    keys = ["direction", "method", "case", "structure"]
    pooled = pd.concat(tables) if tables else pd.DataFrame(columns=[*keys, "disagreement"])
    return pooled.groupby(keys, sort=False)["disagreement"].mean().reset_index()


def _method_rows(direction: str, method: str, paths: list[str | Path], structures: list[str]) -> list[tuple]:
    """Return one row per structure and the row `mean`, without the gap; n = 0 and no values without files."""
    names = [*structures, MEAN]
    if not paths:
        return [(direction, method, name, 0, pd.NA, *[np.nan] * 7) for name in names]
    dice, asd, missed = read_cases(paths, structures)
    rows = []
    for index, name in enumerate(names):
        chosen = slice(None) if name == MEAN else slice(index, index + 1)
        n = int(np.isfinite(dice[:, :, chosen]).any(axis=(0, 2)).sum())
        dices, asds = _mean_and_interval(dice[:, :, chosen]), _mean_and_interval(asd[:, :, chosen])
        rows.append((direction, method, name, n, int(missed[:, chosen].sum()), *dices, *asds, np.nan))
    return rows


def _mean_and_interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    # pandas skips NaN, and is silent where nothing is left
    mean = pd.DataFrame(mean_over_seeds(values)).mean(axis=0).mean()
    return float(mean), *bootstrap_interval(values)


def _check_complete(path: str | Path, table: pd.DataFrame, first: pd.DataFrame, structures: list[str]) -> None:
    cases = list(dict.fromkeys(first["case"]))
    found = list(zip(table["case"], table["structure"], strict=True))
    expected = [(case, structure) for case in cases for structure in structures]
    if not found or sorted(found) != sorted(expected):
        odd = sorted(set(found) ^ set(expected)) or sorted({pair for pair in found if found.count(pair) > 1})
        raise ValueError(
            f"{path} has {len(found)} rows, expected one for each of {len(cases)} cases and the structures "
            f"{structures}; missing, unexpected or double: {odd[:5]}. Score the method again with this label "
            "set, and every seed on the same cases"
        )


def _with_gap_closed(summary: pd.DataFrame) -> pd.DataFrame:
    dice = summary.set_index(["direction", "method", "structure"])["dice_mean"]
    gaps = []
    for row in summary.itertuples():
        low = dice.get((row.direction, "source_only", row.structure), np.nan)
        high = dice.get((row.direction, "supervised", row.structure), np.nan)
        gaps.append((row.dice_mean - low) / (high - low) if high > low else np.nan)
    return summary.assign(gap_closed=gaps)


def _page(
    summary: pd.DataFrame,
    disagreements: pd.DataFrame,
    unavailable: list[dict],
    notes: Mapping[str, str],
    structures: list[str],
) -> str:
    parts = []
    for direction in summary["direction"].unique():
        rows = summary[summary["direction"] == direction]
        parts += [f"## {direction}", _direction_table(rows, structures)]
        lines = [f"- `{method}`: {notes[method]}" for method in rows["method"].unique() if method in notes]
        absent = [entry for entry in unavailable if entry["direction"] == direction]
        lines += [f"- `{entry['method']}` has no result: {entry['reason']}" for entry in absent]
        parts += ["\n".join(lines), _case_table(disagreements[disagreements["direction"] == direction])]
    return "\n\n".join([*filter(None, parts), NOTES])


def _direction_table(rows: pd.DataFrame, structures: list[str]) -> str:
    """Return one line per method: Dice per structure, then Dice, ASD, missed, gap of the row `mean`."""
    header = ["method", "n", *structures, "mean Dice [95 %]", "ASD mm", "missed", "gap closed"]
    lines = []
    for method in rows["method"].unique():
        by_structure = rows[rows["method"] == method].set_index("structure")
        mean = by_structure.loc[MEAN]
        lines.append(
            [
                method,
                str(mean["n"]),
                *(_number(by_structure.loc[structure, "dice_mean"], ".3f") for structure in structures),
                _interval(mean["dice_mean"], mean["dice_ci_low"], mean["dice_ci_high"]),
                _number(mean["asd_mean"], ".2f"),
                _number(mean["missed"], "d"),
                _number(mean["gap_closed"], ".0%"),
            ]
        )
    return _markdown_table(header, lines)


def _case_table(disagreements: pd.DataFrame) -> str:
    """Return one line per case, one column per method: the mean disagreement over structures (and seeds)."""
    if disagreements.empty:
        return ""
    methods, cases = disagreements["method"].unique(), disagreements["case"].unique()
    means = disagreements.groupby(["method", "case"])["disagreement"].mean()
    lines = [[case, *(_number(means.get((method, case)), ".3f") for method in methods)] for case in cases]
    return _markdown_table(["disagreement", *methods], lines)


def _number(value: float, form: str) -> str:
    return "-" if pd.isna(value) else format(value, form)


def _interval(mean: float, low: float, high: float) -> str:
    return _number(mean, ".3f") + ("" if pd.isna(low) else f" [{low:.3f}, {high:.3f}]")


def _markdown_table(header: list[str], lines: list[list[str]]) -> str:
    """Return an aligned Markdown table, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]

    def line(cells: list[str]) -> str:
        numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([cells[0].ljust(widths[0]), *numbers]) + " |"

    rule = "|-" + "-" * widths[0] + "-|" + "|".join("-" * (width + 1) + ":" for width in widths[1:]) + "|"
    return "\n".join([line(header), rule, *map(line, lines)])
