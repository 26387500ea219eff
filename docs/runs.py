"""Keep a finished run for docs/results.md: python -m docs.runs CLONE CONFIG NAME.

CLONE is the working copy that made the run, CONFIG the run's config file as seen from there, NAME a folder of
docs/data/runs. A run of other seeds, and of the same settings and methods, joins the rows there. That nothing was
changed between the run and this is checked by the words of the run's page alone.
"""

import argparse
import contextlib
import datetime
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
import yaml

from dar_uda.plan import descriptions
from dar_uda.plan.cases import read_cases
from dar_uda.plan.config import read_config
from dar_uda.plan.methods import Method, Training, TrainingSet
from dar_uda.plan.plan import Plan
from dar_uda.plan.tables import Row, Table
from dar_uda.plan.task import Direction
from docs.config_keys import REPOSITORY

RUNS = REPOSITORY / "docs" / "data" / "runs"
KEYS = ["direction", "method", "seed"]
TRANSLATORS = {"disentangled": "train_translator", "cyclegan": "train_cyclegan"}
"""The rule that trains each."""


@dataclass(frozen=True)
class KeptRun:
    """A run as docs/data/runs keeps it.

    Attributes:
        facts: Its task, budget, changes and structures, and what the package's tables need to know of its methods.
        scores: Columns `KEYS`, then those of `score_method`, all as they are written there.
        trainings: `KEYS`, then of the row's trainings the CPU minutes, its translator's included, empty where they are
            not known; the threads and the device of the last; the commit, and the date of the scores.
    """

    facts: dict[str, Any]
    scores: pd.DataFrame
    trainings: pd.DataFrame

    @classmethod
    def read(cls, name: str) -> Self:
        """Return the run that a folder of `RUNS` has."""
        folder = RUNS / name
        facts = yaml.safe_load((folder / "facts.yaml").read_text(encoding="utf-8"))
        return cls(facts, *(read_words(folder / f"{table}.tsv") for table in ("scores", "trainings")))

    def joined(self, later: "KeptRun") -> "KeptRun":
        """Return this run with the rows of a later one, which replace those of the same keys.

        Raises:
            ValueError: Task, budget, methods or any other fact differs.
        """
        if other := [fact for fact in self.facts if self.facts[fact] != later.facts.get(fact)]:
            raise ValueError(
                f"The run that is kept has other facts: {other}, found {[later.facts.get(fact) for fact in other]}, "
                f"expected {[self.facts[fact] for fact in other]}; keep this one under another name"
            )
        return KeptRun(self.facts, *(self._rows(*pair) for pair in zip(self._tables, later._tables, strict=True)))

    def write(self, name: str) -> None:
        """Write the run to a folder of `RUNS`."""
        folder = RUNS / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "facts.yaml").write_text(yaml.safe_dump(self.facts, sort_keys=False, width=120), encoding="utf-8")
        for table, rows in zip(("scores", "trainings"), self._tables, strict=True):
            rows.to_csv(folder / f"{table}.tsv", sep="\t", index=False)

    @property
    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self.scores, self.trainings

    def _rows(self, rows: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
        """Return both, in the order of directions, methods and seeds."""
        replaced = pd.MultiIndex.from_frame(rows[KEYS]).isin(pd.MultiIndex.from_frame(later[KEYS]))
        both = pd.concat([rows[~replaced], later], ignore_index=True)
        ranks = [both[key].map(self.facts[f"{key}s"].index) for key in KEYS[:2]]
        order = pd.concat([*ranks, both["seed"].astype(int)], axis=1).sort_values(KEYS, kind="stable").index
        return both.loc[order].reset_index(drop=True)


def read_words(path: Path) -> pd.DataFrame:
    """Return a TSV with every cell as it is written: a case `01`, a patient `NA`, an empty metric."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("name")
    parser.add_argument("--table", default="summary")
    given = parser.parse_args()
    with contextlib.chdir(given.clone):
        run = run_of(given.config, given.table)
    is_new = not (RUNS / given.name).exists()
    (run if is_new else KeptRun.read(given.name).joined(run)).write(given.name)


def run_of(path: Path, table: str) -> KeptRun:
    """Return a finished run below the working directory by its config file.

    Raises:
        ValueError: The working copy has changes, or its config is no longer that of the run.
    """
    if changed := _git("status", "--porcelain", "--untracked-files=no"):
        raise ValueError(
            f"{Path.cwd()} has changes, found {changed!r}, expected the commit that made the run: undo them, or commit "
            "them and run again"
        )
    text = path.read_text(encoding="utf-8")
    config = read_config(Path.cwd(), yaml.safe_load(text), {str(path): text})
    plan = Plan.of(config, read_cases(config, Path.cwd()))
    shown, notes = plan.tables[table], descriptions.method_notes(plan.tables[table], config)
    _check_page(plan, shown, notes)
    facts = {
        **descriptions.stamped_choices(shown, config, plan.cases),
        "changes": config.changes(),
        "directions": [str(direction) for direction in shown.directions],
        "methods": [method.name for method in shown.methods],
        "structures": list(config.task.structures),
        "reference": shown.reference,
        "bounds": descriptions.gap_bounds(shown),
        "ceilings": descriptions.ceilings(shown, config),
        "notes": notes,
    }
    scores = [
        read_words(Path(file)).assign(direction=row.direction, method=row.method, seed=str(row.seed))
        for row, file in zip(shown.scored, plan.metrics(shown.scored), strict=True)
    ]
    joined = pd.concat(scores, ignore_index=True)
    trainings = pd.DataFrame([_training(plan, row) for row in shown.scored])
    return KeptRun(facts, joined[[*KEYS, *joined.columns.drop(KEYS)]], trainings)


def _check_page(plan: Plan, table: Table, notes: dict[str, str]) -> None:
    page = Path(plan.paths.folder) / "tables" / f"{table.name}.md"
    text = page.read_text(encoding="utf-8")
    expected = [descriptions.stamp_of_table(table, plan.config, plan.cases)]
    expected += [f"- `{method}`: {note}" for method, note in notes.items()]
    if missing := [line for line in expected if line not in text.splitlines()]:
        raise ValueError(f"{page} does not say {missing}: code or config changed after the run; run it again")


def _training(plan: Plan, row: Row) -> dict[str, str]:
    """Return the row of `trainings`."""
    weights = Path(plan.weights(row.method, row.direction, row.seed))
    made = json.loads(weights.with_suffix(".provenance.json").read_text(encoding="utf-8"))
    scored = Path(plan.paths.metrics(row.seed, row.direction, row.method)).stat().st_mtime
    return {
        "direction": row.direction,
        "method": row.method,
        "seed": str(row.seed),
        "minutes": _minutes(plan, row),
        "threads": str(made["threads"]),
        "device": made["device"],
        "commit": _git("rev-parse", "--short", "HEAD"),
        "date": datetime.datetime.fromtimestamp(scored, datetime.UTC).date().isoformat(),
    }


def _minutes(plan: Plan, row: Row) -> str:
    """Return the CPU time of a row's trainings and of the pseudo-labels between them; empty where one is missing."""
    folder = Path(plan.paths.folder) / "benchmarks"
    method = plan.methods[row.method]
    files = [folder / f"{name}-{row.seed}.tsv" for name in trainings_of(method, Direction.of(row.direction))]
    if not all(file.exists() for file in files):
        return ""
    seconds = sum(_cpu_seconds(read_words(file)) for file in files)
    return f"{seconds / 60:.1f}"


def _cpu_seconds(benchmark: pd.DataFrame) -> float:
    """Return the CPU time of a job; where it was not measured, the time by the clock."""
    known = benchmark["cpu_time"].iloc[0] if "cpu_time" in benchmark else "-"
    return float(benchmark["s"].iloc[0] if known in ("-", "NA") else known)


def trainings_of(method: Method, direction: Direction) -> Iterator[str]:
    """Yield what a method's trainings are called among the benchmarks of a run, without the seed."""
    training_set, (first, *later) = method.training_set(direction), method.iterations
    yield from _before(training_set, first)
    if not training_set.has_volumes:
        yield f"train_{training_set.adaptation}/{direction}-{first}"
        return
    yield f"{'train_nnunet' if method.is_nnunet else 'train_segmenter'}/{training_set}-{first}"
    for training in later:
        yield from (f"{rule}/{training_set}-{training}" for rule in ("label_target", "self_train_segmenter"))


def _before(training_set: TrainingSet, first: Training) -> Iterator[str]:
    """Yield the trainings that a method's own begin from."""
    translator = training_set.translation.partition("-")[0]
    if translator in TRANSLATORS:
        yield f"{TRANSLATORS[translator]}/{translator}"
    elif translator == "cycada":
        yield f"train_segmenter/{training_set.labeled}-unet_2d"
        yield f"train_cycada_translator/{training_set.direction}"
    if training_set.adaptation == "cycada":
        yield f"train_segmenter/{training_set.direction}.cycada-single-{first}"


def _git(*words: str) -> str:
    return subprocess.check_output(["git", *words], text=True).strip()


if __name__ == "__main__":
    main()
