"""Summarise the metrics of all methods: a TSV to compute with and pages to read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.evaluation.bootstrap import COVERAGE, bootstrap_interval
from dar_uda.evaluation.pages import Cell, Page, Section, ranks, write_page
from dar_uda.evaluation.score import read_metrics
from dar_uda.jobs.files import write_beside

COLUMNS = [
    *("direction", "method", "structure", "n", "missed"),
    *("dice_mean", "dice_ci_low", "dice_ci_high"),
    *("asd_mean", "asd_ci_low", "asd_ci_high"),
    "gap_closed",
]
ENDS = ("source_only", "supervised")
"""Between them lies the gap that a method may close."""
MEAN, CEILINGS = "mean", ["supervised", "supervised_2d"]
COST_HEADER = ["parameters", "training MiB", "s per step"]
NOTES = f"""\
Dice and ASD are means over the `n` cases, each first averaged over the seeds; mean Dice and ASD are the means
over the structures, in brackets the {COVERAGE:.0%} bootstrap interval over the cases and the seeds. Missed: how
often, over cases, structures and seeds, only one of prediction and reference has voxels: Dice 0, left out of the ASD.
Gap closed: the mean Dice gained over `source_only`, in percent of what `supervised` gains; of 2D segmenters over
`source_only_2d`, of what `supervised_2d` gains. Disagreement, found
without labels: 1 - Dice between the masks of a scan and of the same scan flipped, brighter, darker or shifted in
intensity, on the network grid; means over the structures and seeds. Best and second best of a column, without
those trained on labels of the target, are marked; in ASD without those that never find one of the structures.
"""


def tabulate(
    metrics: list[dict],
    disagreements: list[dict],
    unavailable: list[dict],
    structures: list[str],
    notes: Mapping[str, str],
    stamp: str,
    choices: Mapping[str, str],
    ends: Mapping[str, Sequence[str]],
    resources: Mapping[str, list[str | Path]],
    table: str | Path,
    markdown: str | Path,
    latex: str | Path,
    html: str | Path,
) -> None:
    """Write a table of methods and directions, as TSV and as pages.

    The unit is the case: with several seeds, a case's Dice (and ASD) is first averaged over the seeds in
    which it has one. Per method there is one row per structure and a row `mean`, the mean of those rows.

    - `n`: cases that count, that is, are not absent (both masks empty) in every seed; in the row `mean`,
      cases that count for any structure.
    - `missed`: (case, seed) pairs where exactly one mask is empty; in the row `mean`, their sum.
    - `*_ci_*`: 95 % percentile bootstrap over the cases and the seeds, see `bootstrap_interval`; empty for fewer than
      two cases.
    - `asd_*`: mm, over what is not missed; in the row `mean`, over the structures that have one.
    - `gap_closed`: (method - floor) / (ceiling - floor) on `dice_mean`, 1 = all of it, between the method's `ends`;
      empty where one of the two is unavailable or the ceiling is not higher.

    Args:
        metrics: One `{"direction", "method", "seed", "path"}` per file of `score_method`.
        disagreements: The same per table of disagreements of `predict_cases`, of masks that no label scores too.
        unavailable: `{"direction", "method", "reason"}`: methods that cannot be run, shown with n = 0.
        structures: Names, in the order of the rows.
        notes: What the pages say of methods that differ from the paper in training or inference, by method.
        stamp: What the pages say of the run: task, protocol, budget, seeds.
        choices: What every row says of the run, by column: protocol and the choice of the weights.
        ends: Floor and ceiling of the gap of a method other than `ENDS`, by method.
        resources: Files of `write_resources` by method, whose means the pages show; empty: no such columns.
        table: Output TSV with the columns `COLUMNS` and those of `choices`, six decimals.
        markdown, latex, html: Output pages: one table per direction, the best and second best of the methods other than
            the ceilings marked, with notes on methods and the disagreement of every case.

    Raises:
        ValueError: A metrics file lacks a structure, or the seeds of a method have different cases.
    """
    rows = []
    for direction, method in ordered_methods([*metrics, *unavailable]):
        files = [m for m in metrics if (m["direction"], m["method"]) == (direction, method)]
        rows += _method_rows(direction, method, [file["path"] for file in files], structures)
    summary = _with_gap_closed(pd.DataFrame(rows, columns=COLUMNS), ends).astype({"missed": "Int64"})
    with write_beside(table) as partial:
        summary.assign(**choices).to_csv(partial, sep="\t", index=False, float_format="%.6f")
    changes, costs = read_disagreements(disagreements), {m: _cost(paths) for m, paths in resources.items()}
    sections = []
    for direction in summary["direction"].unique():
        absent = [entry for entry in unavailable if entry["direction"] == direction]
        own = summary[summary["direction"] == direction]
        sections.append(_direction_section(direction, own, structures, notes, absent, costs))
        sections += _case_sections(changes[changes["direction"] == direction], direction)
    write_page(Page(stamp, sections, NOTES), markdown, latex, html)


def tabulate_disagreements(disagreements: list[dict], choices: Mapping[str, str], table: str | Path) -> None:
    """Write `direction method case structure disagreement`: means over the seeds, all test cases, labelled or not.

    Args:
        disagreements, choices: See `tabulate`.
    """
    with write_beside(table) as partial:
        read_disagreements(disagreements).assign(**choices).to_csv(partial, sep="\t", index=False, float_format="%.4f")


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


def read_disagreements(disagreements: list[dict]) -> pd.DataFrame:
    """Return `direction method case structure disagreement`, means over the files of a method (one per seed)."""
    text = dict.fromkeys(["case", "structure"], str)
    tables = [
        pd.read_csv(entry["path"], sep="\t", dtype=text, keep_default_na=False, na_values={"disagreement": [""]})
        .astype({"disagreement": float})
        .assign(direction=entry["direction"], method=entry["method"])
        for entry in disagreements
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


def _with_gap_closed(summary: pd.DataFrame, ends: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    dice = summary.set_index(["direction", "method", "structure"])["dice_mean"]
    gaps = []
    for row in summary.itertuples():
        low, high = (dice.get((row.direction, end, row.structure), np.nan) for end in ends.get(row.method, ENDS))
        gaps.append((row.dice_mean - low) / (high - low) if high > low else np.nan)
    return summary.assign(gap_closed=gaps)


def _direction_section(
    direction: str,
    rows: pd.DataFrame,
    structures: list[str],
    notes: Mapping[str, str],
    absent: list[dict],
    costs: Mapping[str, list[str]],
) -> Section:
    """Return one line per method: Dice per structure, then Dice, ASD, missed, gap of the row `mean`, and costs."""
    methods = list(rows["method"].unique())
    dice = rows.pivot(index="method", columns="structure", values="dice_mean").loc[methods]
    means = rows[rows["structure"] == MEAN].set_index("method").loc[methods]
    dice_ranks = {name: ranked(dice[name], highest_first=True) for name in [*structures, MEAN]}
    finds_all = rows.set_index("method")["asd_mean"].notna().groupby(level=0).all()
    asd_ranks = ranked(means["asd_mean"].where(finds_all), highest_first=False)
    lines = []
    for method, mean in means.iterrows():
        per_structure = [
            Cell(_number(dice.loc[method, name], ".3f"), dice_ranks[name].get(method)) for name in structures
        ]
        interval = _interval(mean["dice_mean"], mean["dice_ci_low"], mean["dice_ci_high"])
        lines.append(
            [
                Cell(str(method)),
                Cell(str(mean["n"])),
                *per_structure,
                Cell(interval, dice_ranks[MEAN].get(method)),
                Cell(_number(mean["asd_mean"], ".2f"), asd_ranks.get(method)),
                Cell(_number(mean["missed"], "d")),
                Cell(_number(mean["gap_closed"], ".0%")),
                *(Cell(text) for text in (costs.get(str(method), ["-"] * len(COST_HEADER)) if costs else [])),
            ]
        )
    header = ["method", "n", *structures, "mean Dice [95 %]", "ASD mm", "missed", "gap closed"]
    remarks = [f"`{method}`: {notes[method]}" for method in methods if method in notes]
    remarks += [f"`{entry['method']}` has no result: {entry['reason']}" for entry in absent]
    return Section(direction, header + (COST_HEADER if costs else []), lines, remarks)


def ranked(values: pd.Series, *, highest_first: bool) -> dict[str, int | None]:
    """Return the rank of every method but the ceilings."""
    rated = values.drop(CEILINGS, errors="ignore")
    numbers = [None if pd.isna(value) else float(value) for value in rated]
    return dict(zip(rated.index, ranks(numbers, highest_first=highest_first), strict=True))


def _cost(paths: list[str | Path]) -> list[str]:
    """Return parameters, peak memory and seconds per step of a method's trainings, means over the files."""
    read = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    seconds = [one["seconds_per_step"] for one in read if one["seconds_per_step"] is not None]
    return [
        f"{read[0]['parameters'] / 1e6:.2f} M",
        f"{np.mean([one['peak_mib'] for one in read]):.0f}",
        f"{np.mean(seconds):.2f}" if seconds else "-",
    ]


def _case_sections(disagreements: pd.DataFrame, direction: str) -> list[Section]:
    """Return a table, if there is what it shows: one line per case, the mean disagreement of every method."""
    if disagreements.empty:
        return []
    methods, cases = disagreements["method"].unique(), disagreements["case"].unique()
    means = disagreements.groupby(["method", "case"])["disagreement"].mean()
    lines = [
        [Cell(str(case)), *(Cell(_number(means.get((method, case)), ".3f")) for method in methods)] for case in cases
    ]
    return [Section(f"{direction}, disagreement", ["case", *methods], lines)]


def _number(value: float, form: str) -> str:
    return "-" if pd.isna(value) else format(value, form)


def _interval(mean: float, low: float, high: float) -> str:
    return _number(mean, ".3f") + ("" if pd.isna(low) else f" [{low:.3f}, {high:.3f}]")
