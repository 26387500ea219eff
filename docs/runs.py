"""Keep the scores of a finished run for docs/results.md: python -m docs.runs CLONE CONFIG NAME.

CLONE is the working copy that made the run, CONFIG the run's config file as seen from there, NAME a folder of
docs/data/runs. Rows of a direction, method and seed that are there already are replaced, and those that the run has not
scored yet are left out, so that they may come one by one.
"""

import argparse
import contextlib
import datetime
import os
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
from dar_uda.plan.methods import Method
from dar_uda.plan.plan import Plan
from dar_uda.plan.tables import Row
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
        facts: Its task, budget, structures, and what the package's tables need to know of its methods.
        scores: Columns `KEYS`, then those of `score_method`.
        trainings: `KEYS`, then the minutes of all trainings of the row, its translator's included, and the `cores`,
            `machine`, `commit` and `date` of the trainings.
    """

    facts: dict[str, Any]
    scores: pd.DataFrame
    trainings: pd.DataFrame

    @classmethod
    def read(cls, name: str) -> Self:
        """Return the run that a folder of `RUNS` has."""
        folder = RUNS / name
        facts = yaml.safe_load((folder / "facts.yaml").read_text(encoding="utf-8"))
        return cls(facts, *(pd.read_csv(folder / f"{table}.tsv", sep="\t") for table in ("scores", "trainings")))

    def joined(self, later: "KeptRun") -> "KeptRun":
        """Return this run with the rows of a later one, which replace those of the same keys."""
        return KeptRun(later.facts, _joined(self.scores, later.scores), _joined(self.trainings, later.trainings))

    def write(self, name: str) -> None:
        """Write the run to a folder of `RUNS`."""
        folder = RUNS / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "facts.yaml").write_text(yaml.safe_dump(self.facts, sort_keys=False), encoding="utf-8")
        self.scores.to_csv(folder / "scores.tsv", sep="\t", index=False)
        self.trainings.to_csv(folder / "trainings.tsv", sep="\t", index=False)


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
    """Return the scored rows of a run below the working directory by its config file."""
    text = path.read_text(encoding="utf-8")
    config = read_config(Path.cwd(), yaml.safe_load(text), {str(path): text})
    plan = Plan.of(config, read_cases(config, Path.cwd()))
    shown = plan.tables[table]
    facts = {
        **descriptions.stamped_choices(shown, config, plan.cases),
        "structures": list(config.task.structures),
        "reference": shown.reference,
        "bounds": descriptions.gap_bounds(shown),
        "ceilings": descriptions.ceilings(shown),
        "notes": descriptions.method_notes(shown, config),
    }
    made = {
        "cores": os.cpu_count(),
        "machine": _machine(),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    scores, trainings = [], []
    for row, file in zip(shown.scored, plan.metrics(shown.scored), strict=True):
        if not Path(file).exists():
            continue
        keys = {"direction": row.direction, "method": row.method, "seed": row.seed}
        scores.append(pd.read_csv(file, sep="\t").assign(**keys))
        trainings.append({**keys, "minutes": _minutes(plan, row), **made})
    joined = pd.concat(scores)
    return KeptRun(facts, joined[[*KEYS, *joined.columns.drop(KEYS)]], pd.DataFrame(trainings))


def _minutes(plan: Plan, row: Row) -> float | None:
    """Return how long the trainings of a row took, and the pseudo-labels between them; None where one is not known."""
    folder = Path(plan.paths.folder) / "benchmarks"
    method = plan.methods[row.method]
    files = [folder / f"{name}-{row.seed}.tsv" for name in _trainings(method, Direction.of(row.direction))]
    if not all(file.exists() for file in files):
        return None
    return round(sum(pd.read_csv(file, sep="\t")["s"].sum() for file in files) / 60, 1)


def _trainings(method: Method, direction: Direction) -> Iterator[str]:
    """Yield what a method's trainings are called among the benchmarks of a run."""
    training_set = method.training_set(direction)
    translator = training_set.adaptation.split("-")[0]
    if translator in TRANSLATORS:
        yield f"{TRANSLATORS[translator]}/{translator}"
    if not training_set.has_volumes:
        yield f"train_{translator}/{direction}-{method.iterations[0]}"
        return
    first, *later = (f"{training_set}-{training}" for training in method.iterations)
    yield f"train_segmenter/{first}"
    for name in later:
        yield from (f"label_target/{name}", f"self_train_segmenter/{name}")


def _machine() -> str:
    """Return the processor's name, and whether it has AMX, with which trainings take bfloat16."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    found = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    return found["model name"] + (", AMX" if "amx_bf16" in found["flags"] else "")


def _joined(rows: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    replaced = pd.MultiIndex.from_frame(rows[KEYS]).isin(pd.MultiIndex.from_frame(later[KEYS]))
    return pd.concat([rows[~replaced], later], ignore_index=True)


if __name__ == "__main__":
    main()
