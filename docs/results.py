"""Write docs/results.md and the pages of docs/results from docs/results.yaml and the runs of docs/data/runs."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dar_uda.evaluation.cells import COUNT, PERCENT, SCORE, Cell, Table
from dar_uda.evaluation.differences import read_differences, write_differences
from dar_uda.evaluation.pages import markdown_table
from dar_uda.evaluation.quantities import MEAN
from dar_uda.evaluation.score_tables import difference_table, means_table, seed_table, structure_table
from dar_uda.evaluation.summary import read_summary, write_summary
from docs.config_keys import REPOSITORY
from docs.runs import KEYS, KeptRun

FOLDER = REPOSITORY / "docs" / "results"
HEAD = FOLDER.with_suffix(".md")
TEXTS: dict[str, Any] = yaml.safe_load(FOLDER.with_suffix(".yaml").read_text(encoding="utf-8"))
MARK = "<!-- Written by `make docs` from docs/results.yaml and docs/data/runs. Change these. -->"
HEADLINE = ("source_only", "cyclegan_3d", "dar_uda", "supervised")
METRICS = ["dice", "asd"]


def pages() -> dict[Path, str]:
    """Return the text of every page by its path."""
    runs = {run["name"]: Tables(KeptRun.read(run["name"])) for page in TEXTS["pages"] for run in page["runs"]}
    written = {HEAD: "\n".join(_headline(runs))}
    return written | {FOLDER / f"{page['file']}.md": "\n".join(_page(page, runs)) for page in TEXTS["pages"]}


class Tables:
    """The statistics of a run, made by the package as for a run's own tables.

    Attributes:
        summary: Of `read_summary`.
        differences: Of `read_differences`.
    """

    def __init__(self, run: KeptRun) -> None:
        self.run, facts = run, run.facts
        with tempfile.TemporaryDirectory() as folder:
            table, differences = Path(folder) / "summary.tsv", Path(folder) / "differences.tsv"
            metrics = list(_files(run.scores, Path(folder)))
            write_summary(metrics, [], facts["structures"], facts["bounds"], facts["ceilings"], {}, table)
            write_differences(metrics, facts["structures"], facts["reference"], {}, differences)
            self.summary, self.differences = read_summary(table), read_differences(differences)

    def of(self, direction: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Return a direction's rows of summary, differences and trainings."""
        tables = self.summary, self.differences, self.run.trainings
        return tuple(table[table["direction"] == direction] for table in tables)

    @property
    def directions(self) -> list[str]:
        """The directions, in the order of their rows."""
        return list(self.summary["direction"].unique())


def _files(scores: pd.DataFrame, folder: Path) -> Iterator[dict[str, Any]]:
    """Write the scores of every method, direction and seed to a file, as `score_method` does, and yield its entry."""
    for (direction, method, seed), rows in scores.groupby(KEYS, sort=False):
        path = folder / f"{direction}-{method}-{seed}.tsv"
        rows.drop(columns=KEYS).to_csv(path, sep="\t", index=False)
        yield {"direction": direction, "method": method, "seed": int(seed), "path": str(path)}


def _headline(runs: Mapping[str, Tables]) -> Iterator[str]:
    yield from ("# Results", "", MARK, "", TEXTS["head"])
    rows = []
    for page in TEXTS["pages"]:
        for entry in page["runs"]:
            tables = runs[entry["name"]]
            for direction in tables.directions if "dar_uda" in tables.run.facts["methods"] else ():
                link = f"[{entry['title']}](results/{page['file']}.md)"
                rows.append([Cell(f"{link}, {direction}"), *_headline_cells(tables.of(direction)[0])])
    header = ["scans", "cases", "seeds", *HEADLINE, "gap closed"]
    yield from (markdown_table(Table("", header, rows)), "", TEXTS["how"])


def _headline_cells(summary: pd.DataFrame) -> Iterator[Cell]:
    """Yield cases and seeds of the direction, the mean Dice of every method that has these, and the gap closed."""
    means = summary[summary["structure"] == MEAN].set_index("method")
    cases, seeds = int(means["n"].max()), int(means["seeds"].max())
    yield from (Cell(cases), Cell(seeds))
    complete = means[(means["n"] == cases) & (means["seeds"] == seeds)].reindex(HEADLINE)
    for value in complete["dice_mean"]:
        yield Cell(value, SCORE)
    own = complete.loc["dar_uda"]
    yield Cell(own["gap_closed"], PERCENT, (own["gap_low"], own["gap_high"]))


def _page(page: Mapping[str, Any], runs: Mapping[str, Tables]) -> Iterator[str]:
    yield from (f"# {page['title']}", "", MARK, "", page["text"])
    for entry in page["runs"]:
        tables = runs[entry["name"]]
        yield from (f"## {entry['title']}", "", entry["text"], *_facts(tables.run.facts))
        for direction in tables.directions:
            yield from _direction(tables, direction)
        yield from _trainings(tables.run.trainings)
        yield entry.get("seen", "")


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the run is, and in what its methods differ from the paper."""
    yield from (f"- {name}: {facts[name]}" for name in ("task", "budget", "protocol"))
    if seen := facts["transductive"]:
        yield f"- Transductive, scored cases that train without their labels: {seen}"
    if facts["changes"]:
        yield f"- Changed: {'; '.join(facts['changes'])}"
    yield from (f"- `{method}`: {note}" for method, note in facts["notes"].items())
    yield ""


def _direction(tables: Tables, direction: str) -> Iterator[str]:
    summary, differences, trainings = tables.of(direction)
    means = means_table(summary, METRICS, direction)
    rows = [[*row, _minutes(trainings[trainings["method"] == row[0].text])] for row in means.rows]
    shown = [
        Table(direction, [*means.header, "CPU minutes"], rows),
        structure_table(summary, "dice", f"{direction}, Dice by structure"),
    ]
    if summary["seeds"].max() > 1:
        shown.append(seed_table(summary, "dice", f"{direction}, Dice by seed"))
    if not differences.empty:
        shown.append(difference_table(differences, "dice", f"{direction}, "))
    for table in shown:
        yield from (f"### {table.title}", "", markdown_table(table), "")


def _minutes(trainings: pd.DataFrame) -> Cell:
    """Return the mean over a method's seeds; no value where that of a seed is not known."""
    minutes = pd.to_numeric(trainings["minutes"])
    return Cell(minutes.mean() if minutes.notna().all() else None, COUNT)


def _trainings(trainings: pd.DataFrame) -> Iterator[str]:
    """Yield of which code the rows are, when and where they were made."""
    for made, rows in trainings.groupby(["commit", "date", "threads", "device"], sort=False):
        commit, date, threads, device = made
        threads = f"{threads} thread{'s' if threads != '1' else ''}"
        yield f"- Kept at {commit}, scored {date}, {device}, {threads} a training:"
        for (direction, method), of_method in rows.groupby(["direction", "method"], sort=False):
            yield f"  - {direction}, `{method}`, seed {', '.join(of_method['seed'])}"
    yield ""


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
