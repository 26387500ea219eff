"""The tables that pages and the report show of a direction's scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dar_uda.evaluation.cells import COUNT, PERCENT, SIGNED, Cell, Table
from dar_uda.evaluation.intervals import RANGE
from dar_uda.evaluation.quantities import COUNTS, MEAN, METRICS, Metric


def milliliters(volume: float) -> str:
    """Return a volume with about three digits: `1547`, `61.1`, `0.083`."""
    return f"{volume:.{0 if volume >= 100 else 1 if volume >= 10 else 2 if volume >= 1 else 3}f}"


def p_value(probability: float) -> str:
    """Return a p-value with four decimals, or that it is smaller."""
    return f"{probability:.4f}" if probability >= 1e-4 else "< 0.0001"


def structures_of(summary: pd.DataFrame) -> list[str]:
    """Return the names of the structures, in the order of the rows of `read_summary`."""
    return [name for name in summary["structure"].unique() if name != MEAN]


def means_table(summary: pd.DataFrame, metrics: Sequence[str], title: str) -> Table:
    """Return one row per method: its numbers of cases and seeds, mean metrics, the first with its interval, and gap.

    Args:
        summary: A direction's rows of `read_summary`.
        metrics: Names of the metrics shown, see `METRICS`.
    """
    rows = summary[summary["structure"] == MEAN]
    numbers = ["n", "seeds"] if (rows["n"] == rows["patients"]).all() else ["n", "patients", "seeds"]
    numbers += ["missing"] if "missing" in rows else []
    first = f"mean {METRICS[metrics[0]].title}{_of_interval(rows[f'{metrics[0]}_interval'])}"
    header = ["method", *numbers, first, *(METRICS[name].title for name in metrics[1:]), "gap closed"]
    cells = [
        [
            Cell(row["method"]),
            *(Cell(row[name], COUNT) for name in numbers),
            *(_value(row, METRICS[name], rows if name == metrics[0] else None) for name in metrics),
            Cell(row["gap_closed"], PERCENT, (row["gap_low"], row["gap_high"])),
        ]
        for _, row in rows.iterrows()
    ]
    return Table(title, header, cells)


def structure_table(summary: pd.DataFrame, metric: str, title: str) -> Table:
    """Return one row per method and a column per structure: the means of a metric of `METRICS`, by its name."""
    by_method = summary[summary["structure"] != MEAN].groupby("method", sort=False)
    rows = [
        [Cell(method), *(_value(row, METRICS[metric]) for _, row in structures.iterrows())]
        for method, structures in by_method
    ]
    return Table(title, ["method", *structures_of(summary)], rows)


def detection_table(summary: pd.DataFrame, title: str) -> Table:
    """Return one row per method: its `COUNTS` of how many, then the mean volume of each structure.

    The first row has the volumes of the references; volumes count where the reference has the structure.
    """
    scored = summary[summary["seeds"] > 0]
    by_method = dict(iter(scored.groupby("method", sort=False)))
    rows = [
        [
            Cell(method),
            *(_count(_mean_row(lines), one.name, one.of) for one in COUNTS),
            *_volumes(lines, "predicted_ml"),
        ]
        for method, lines in by_method.items()
    ]
    first = [
        [Cell("reference"), *(Cell(None) for _ in COUNTS), *_volumes(lines, "reference_ml")]
        for lines in by_method.values()
    ]
    header = ["method", *(one.title for one in COUNTS), *(f"{name} ml" for name in structures_of(summary))]
    return Table(title, header, first[:1] + rows)


def difference_table(differences: pd.DataFrame, metric: str, prefix: str) -> Table:
    """Return one row per method: how much its mean of a metric differs from the reference row's, of a direction's rows.

    Args:
        differences: A direction's rows of `read_differences`.
        metric: Its name, see `METRICS`.
        prefix: Of the title.
    """
    rows = differences[(differences["structure"] == MEAN) & (differences["metric"] == metric)]
    reference, shown = rows["reference"].iloc[0], METRICS[metric]
    return paired_table(rows, "method", f"{prefix}{shown.title} minus that of {reference}")


def paired_table(rows: pd.DataFrame, first: str, title: str) -> Table:
    """Return one row per paired difference: a `Difference` and its corrected p-value, named by the column `first`."""
    cells = [
        [
            Cell(row[first]),
            Cell(row["n"], COUNT),
            Cell(
                row["difference"],
                SIGNED,
                (row["low"], row["high"]),
                note=_kind_note(row["interval"], rows["interval"]),
            ),
            Cell(row["wins"], COUNT),
            Cell(row["losses"], COUNT),
            Cell(row["p_holm"], p_value),
        ]
        for _, row in rows.iterrows()
    ]
    difference = f"mean difference{_of_interval(rows['interval'])}"
    return Table(title, [first, "n", difference, "better", "worse", "p (Holm)"], cells)


def seed_table(summary: pd.DataFrame, metric: str, title: str) -> Table:
    """Return the means of a metric under each seed, a row per method and a column per structure.

    A dash is a seed without a value, such as the distances of empty masks.
    """
    form = METRICS[metric].form
    by_method = summary.groupby("method", sort=False)[f"{metric}_by_seed"]

    def written(mean: str) -> str:
        return "-" if mean == "nan" else form(float(mean))

    rows = [
        [
            Cell(method),
            *(Cell(means, lambda text: " ".join(map(written, text.split()))) for means in column),
        ]
        for method, column in by_method
    ]
    return Table(title, ["method", *summary["structure"].unique()], rows)


def method_table(summary: pd.DataFrame, title: str) -> Table:
    """Return one row per structure: all that is known of one method in one direction.

    Args:
        summary: Its rows of `read_summary`.
    """
    metrics = [metric for metric in METRICS.values() if summary[f"{metric.name}_values"].sum()]
    titles = [f"{metric.title}{_of_interval(summary[f'{metric.name}_interval'])}" for metric in metrics]
    numbers = ["n"] if (summary["n"] == summary["patients"]).all() else ["n", "patients"]
    rows = [
        [
            Cell(row["structure"]),
            *(Cell(row[name], COUNT) for name in numbers),
            *(_value(row, metric, summary) for metric in metrics),
            *(_count(row, one.name, one.of) for one in COUNTS),
            *(Cell(row[name], milliliters) for name in ("reference_ml", "predicted_ml")),
        ]
        for _, row in summary.iterrows()
    ]
    header = ["structure", *numbers, *titles, *(one.title for one in COUNTS), "reference ml", "predicted ml"]
    return Table(title, header, rows)


def gain_remarks(summary: pd.DataFrame, ceilings: Sequence[str]) -> list[str]:
    """Return what methods gain in mean Dice whose place in the gap would say little, of a direction's rows."""
    rows = summary[(summary["structure"] == MEAN) & summary["gap_closed"].isna() & ~summary["method"].isin(ceilings)]
    return [
        f"`{row.method}`: {SIGNED(row.above_floor)} mean Dice compared with its floor; no gap closed, because "
        "the table has no ceiling, or its lead over the floor is 0.1 or less, uncertain, or from one case"
        for row in rows.itertuples()
        if row.above_floor == row.above_floor and row.above_floor != 0
    ]


def missing_remarks(summary: pd.DataFrame) -> list[str]:
    """Return of which scored cases another program made no mask, of a direction's rows."""
    rows = summary[summary["structure"] == MEAN]
    named = rows[rows["missing_cases"].notna()] if "missing_cases" in rows else rows[:0]
    return [
        f"`{row.method}`: no mask of {row.missing_cases.replace(' ', ', ')}, which counts as an empty mask with "
        "Dice 0; distances and their differences leave it out, so that the row may lead in these by what it misses"
        for row in named.itertuples()
    ]


def _mean_row(lines: pd.DataFrame) -> Mapping[str, Any]:
    return lines[lines["structure"] == MEAN].iloc[0]


def _volumes(lines: pd.DataFrame, column: str) -> list[Cell]:
    return [Cell(volume, milliliters) for volume in lines.loc[lines["structure"] != MEAN, column]]


def _count(row: Mapping[str, Any], name: str, of: str) -> Cell:
    return Cell(row[name], lambda count: f"{count} of {row[of]}")


def _value(row: Mapping[str, Any], metric: Metric, rows: pd.DataFrame | None = None) -> Cell:
    """Return the mean of a metric; with its interval if the column's rows are given.

    Of how many values it is the mean is noted, where some have none.
    """
    part = {name: row[f"{metric.name}_{name}"] for name in ("mean", "low", "high", "interval", "values", "best")}
    is_scored = row["seeds"] > 0
    is_partial = is_scored and (metric.needs_both_masks or part["values"] != row["references"])
    notes = [f"{part['values']} of {row['references']}"] if is_partial else []
    interval: tuple[float, ...] = ()
    if rows is not None:
        interval = part["low"], part["high"]
        notes = [_kind_note(part["interval"], rows[f"{metric.name}_interval"]), *notes]
    is_best = not pd.isna(part["best"]) and bool(part["best"])
    return Cell(part["mean"], metric.form, interval, is_best, ", ".join(filter(None, notes)))


def _of_interval(kinds: pd.Series) -> str:
    """Return the kind of a column's intervals in brackets; empty where there are none."""
    kind = _kind_of_header(kinds)
    return f" [{kind}]" if kind else ""


def _kind_note(kind: Any, kinds: pd.Series) -> str:
    """Return the kind of an interval where the header names another one."""
    return "" if pd.isna(kind) or kind == _kind_of_header(kinds) else kind


def _kind_of_header(kinds: pd.Series) -> str:
    """Return the first kind of a column's intervals, `RANGE` where there is no other, empty without any."""
    return min(filter(None, kinds.dropna()), key=lambda kind: kind == RANGE, default="")
