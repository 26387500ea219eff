"""How many of the cases that scored a method were in its training, without their labels: cases with split `both`."""

import csv
import json
from pathlib import Path

from dar_uda.jobs.provenance import provenance_path
from dar_uda.jobs.record import read_record
from dar_uda.plan.methods import TrainingSet
from dar_uda.plan.paths import Paths


def scored_in_training(run: Path, domain: str, weights: Path, metrics: Path) -> list[int]:
    """Return how many of the scored cases the method's trainings saw, and how many are scored.

    Args:
        run: Folder of the run.
        domain: The target.
        weights: With which the method predicts.
        metrics: TSV of `score_method`; need not exist.
    """
    if not metrics.exists():
        return [0, 0]
    with metrics.open(encoding="utf-8", newline="") as file:
        scored = {row["case"] for row in csv.DictReader(file, delimiter="\t")}
    return [len(scored & _seen(run, domain, weights)), len(scored)]


def training_cases(run: Path, domain: str) -> list[str]:
    """Return the names of a domain's training cases; none where the run has not sliced them."""
    table = provenance_path(run / Paths().slices(domain))
    return json.loads(table.read_text(encoding="utf-8"))["params"]["cases"] if table.exists() else []


def _seen(run: Path, domain: str, weights: Path) -> set[str]:
    """Return the target's cases that trainings saw; none where the source alone trains.

    Trainings see slices. One that reads volumes, AdaOutput's, may be of a run that has sliced nothing.
    """
    if TrainingSet.of(weights.parents[1].name).target is None:
        return set()
    inputs = map(Path, read_record(run, provenance_path(weights)).inputs)
    volumes = [path.parent.name for path in inputs if path.name == "image.nii" and path.parent.parent.name == domain]
    return set(training_cases(run, domain) or volumes)
