"""The report of a run: one HTML file that needs no other file and no network."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dar_uda.data.checks.finding import names_alone
from dar_uda.evaluation.adaptation import adaptation_of, verdicts_in_words
from dar_uda.evaluation.cells import SCORE
from dar_uda.evaluation.confidence import look_first_table, read_confidence
from dar_uda.evaluation.differences import read_differences
from dar_uda.evaluation.grid_ceiling import read_grid_ceiling, slice_spacings
from dar_uda.evaluation.quantities import COUNTS, MEAN, METRICS
from dar_uda.evaluation.score_tables import gain_remarks, means_table, missing_remarks
from dar_uda.evaluation.summary import read_summary
from dar_uda.evaluation.tables import score_tables
from dar_uda.evaluation.tta_inconsistency import read_tta_inconsistency, tta_inconsistency_table
from dar_uda.jobs.files import write_beside
from dar_uda.plan.paths import Paths
from dar_uda.plan.task import Direction
from dar_uda.report.origins import read_origins
from dar_uda.report.scores import FAILURES, case_table, cases_with, headline
from dar_uda.report.stages import read_stages
from dar_uda.report.svg import inline_svg, worst_case_id
from dar_uda.report.templates import render
from dar_uda.report.trainings import peaks_of, training_table
from dar_uda.report.words import CAPTIONS, EXTERNAL, MODEL_SELECTION, PROTOCOLS, words_of_method

FIRST, FIRST_TITLE = "look_first", "Look at these first"


def write_report(
    facts: Mapping[str, Any],
    methods: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[dict],
    tta_inconsistency: Sequence[dict],
    confidence: Sequence[dict],
    grid_ceilings: Sequence[dict],
    grids: Sequence[dict],
    unavailable: Sequence[dict],
    drawn: Sequence[dict],
    table: str | Path,
    differences: str | Path,
    checks: str | Path,
    page: str | Path,
) -> None:
    """Write what was run and what came of it as a page for a reader who knows neither the paper nor the config.

    Time, memory, devices and versions are those of the jobs whose benchmarks and provenance lie in the run's folder.

    Args:
        facts: What was run: `run` (name), `folder`, `table`, `task`, `protocol`, `budget`, `model_selection`, `seeds`,
            `metrics` (names of those shown, see `METRICS`), `ceilings` (see `summarize`), `floors` (see
            `adaptation_of`), `stamp`, `transductive` (a sentence for each target with scored cases that are in
            training) and `cases`, a list of `{"domain", "split", "cases", "labeled"}`, each case once.
        methods: What each method of the table is: arguments of `words_of_method`, and `note`. That of an external row
            has an empty `training_set`.
        metrics: See `summarize`.
        tta_inconsistency: See `read_tta_inconsistency`.
        confidence: See `read_confidence`.
        grid_ceilings: One `{"direction", "path"}` per table of `measure_grid_ceiling`, that of the direction's source.
        grids: One `{"domain", "path"}` per JSON of `preprocess_image`.
        unavailable: `{"direction", "method", "reason"}`: methods without a score.
        drawn: One `{"kind", "variant", "direction", "path"}` per SVG; kinds are those of `CAPTIONS`, a variant or a
            direction may be empty.
        table, differences: TSV of `write_summary` and of `write_differences`.
        checks: What was found of the cases before anything was trained.
        page: Output, HTML.
    """
    summary, compared, folder = read_summary(table), read_differences(differences), Path(facts["folder"])
    stages, trainings = read_stages(folder / Paths().benchmarks), training_table(folder)
    changes, trusted = read_tta_inconsistency(tta_inconsistency), read_confidence(confidence)
    adaptation = adaptation_of(confidence, facts["floors"])
    directions = [
        _scores(name, summary, compared, facts["metrics"], facts["ceilings"])
        | _direction(name, changes, metrics, unavailable, drawn)
        | _first(name, trusted, adaptation, drawn)
        | {"grid_ceiling": _grid_ceiling(name, grid_ceilings), "spacings": _spacings(Direction.of(name), grids)}
        for name in dict.fromkeys(summary["direction"])
    ]
    text = render(
        facts=facts,
        protocol=PROTOCOLS[facts["protocol"]],
        model_selection=MODEL_SELECTION[facts["model_selection"]],
        methods={name: (_words(entry), entry["note"]) for name, entry in methods.items()},
        directions=directions,
        meanings=[entry.meaning.split(": ", 1) for entry in [*(METRICS[name] for name in facts["metrics"]), *COUNTS]],
        figures=[_figure(entry) for entry in drawn if not entry["direction"]],
        csv=_data_uri(summary),
        checks="\n".join(names_alone(Path(checks).read_text(encoding="utf-8").strip().split("\n"))),
        stages=stages,
        peak_mib=float(pd.Series([*(stage.peak_mib for stage in stages), *peaks_of(trainings)], dtype=float).max()),
        trainings=trainings,
        origins=read_origins(folder),
    )
    with write_beside(page) as partial:
        partial.write_text(text, encoding="utf-8")


def _scores(
    name: str, summary: pd.DataFrame, differences: pd.DataFrame, metrics: Sequence[str], ceilings: Sequence[str]
) -> dict[str, Any]:
    """Return what the page shows of a direction's statistics."""
    rows, compared = (frame[frame["direction"] == name] for frame in (summary, differences))
    means = rows[rows["structure"] == MEAN].set_index("method")
    return {
        "headline": headline(means),
        "bars": means[means["dice_mean"].notna()].reset_index().to_dict("records"),
        "interval": " or ".join(means["dice_interval"].dropna().unique()),
        "scores": means_table(rows, metrics, "Scores"),
        "tables": score_tables(rows, compared, metrics, ""),
        "remarks": [*missing_remarks(rows), *gain_remarks(rows, ceilings)],
    }


def _direction(
    name: str, changes: pd.DataFrame, metrics: Sequence[dict], unavailable: Sequence[dict], drawn: Sequence[dict]
) -> dict[str, Any]:
    """Return what else the page shows of a direction."""
    own = [entry for entry in metrics if entry["direction"] == name]
    return {
        "name": name,
        "source": Direction.of(name).source,
        "target": Direction.of(name).target,
        "cases": case_table(own),
        "overlays": _worst_overlays(own, [entry for entry in drawn if entry["direction"] == name]),
        "tta_inconsistency": tta_inconsistency_table(changes[changes["direction"] == name], "TTA inconsistency"),
        "failures": [(said, cases_with(statuses, own)) for statuses, said in FAILURES],
        "unavailable": [entry for entry in unavailable if entry["direction"] == name],
        "figures": [_figure(entry) for entry in drawn if entry["direction"] == name and entry["kind"] != FIRST],
    }


def _first(name: str, confidence: pd.DataFrame, adaptation: pd.DataFrame, drawn: Sequence[dict]) -> dict[str, Any]:
    """Return what the page begins with: which cases to look at first, and whether adaptation helped."""
    rows, verdicts = (frame[frame["direction"] == name] for frame in (confidence, adaptation))
    return {
        "first": look_first_table(rows, f"{FIRST_TITLE}, {name}"),
        "first_figures": [_figure(entry) for entry in drawn if (entry["direction"], entry["kind"]) == (name, FIRST)],
        "verdicts": verdicts_in_words(verdicts),
    }


def _grid_ceiling(name: str, grid_ceilings: Sequence[dict]) -> dict[str, str]:
    """Return the grid ceiling of each structure of a direction's source, and their mean; empty where there is none."""
    paths = [entry["path"] for entry in grid_ceilings if entry["direction"] == name]
    known = pd.concat([pd.Series(dtype=float), *map(read_grid_ceiling, paths)]).dropna()
    return {} if known.empty else {**known.map(SCORE), MEAN: SCORE(known.mean())}


def _spacings(direction: Direction, grids: Sequence[dict]) -> dict[str, tuple[float, float]]:
    """Return `slice_spacings` of the source and of the target."""
    paths = {name: [entry["path"] for entry in grids if entry["domain"] == name] for name in vars(direction).values()}
    return {name: slice_spacings(of_domain) for name, of_domain in paths.items() if of_domain}


def _worst_overlays(metrics: Sequence[dict], drawn: Sequence[dict]) -> dict[str, str]:
    """Return the ids of the pictures of the methods' worst cases; nothing where those are not drawn."""
    names = [_name(entry) for entry in drawn if entry["kind"] == "extremes"]
    return {entry["method"]: f"{name}-{worst_case_id(entry['method'])}" for name in names for entry in metrics}


def _figure(entry: Mapping[str, str]) -> dict[str, Any]:
    """Return name, caption and drawing of a figure."""
    caption, name = CAPTIONS[entry["kind"]], _name(entry)
    title = f"{caption.title} ({entry['variant']})" if entry["variant"] else caption.title
    svg = inline_svg(entry["path"], name, f"{title}, {entry['direction']}. {caption.shows}")
    return {"name": name, "title": title, "caption": caption, "svg": svg}


def _name(entry: Mapping[str, str]) -> str:
    """Return the id of a figure."""
    stem = Path(entry["path"]).stem
    return "-".join(filter(None, [stem, entry["variant"], "" if entry["direction"] in stem else entry["direction"]]))


def _data_uri(table: pd.DataFrame) -> str:
    encoded = base64.b64encode(table.to_csv(index=False).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{encoded}"


def _words(entry: Mapping[str, Any]) -> str:
    """Return what a row is, in sentences."""
    definition = {key: value for key, value in entry.items() if key != "note"}
    return words_of_method(**definition) if entry["training_set"] else EXTERNAL
