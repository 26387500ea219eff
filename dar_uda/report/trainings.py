"""What each segmenter's training took, from the file beside its weights."""

import json
from pathlib import Path

from dar_uda.evaluation.cells import COUNT, Cell, Table, millions
from dar_uda.plan.paths import Paths

MEMORY = {"cpu": "of the process", "cuda": "of the GPU"}


def training_table(run: str | Path) -> Table:
    """Return one row per `seed-*/segmenters/{training_set}/{network}/usage.json` of a run's folder."""
    rows = []
    for path in sorted(Path(run).glob(f"{Paths().training('*', '*', '*')}/usage.json")):
        seed, _, training_set, network = path.parent.relative_to(run).parts
        entry = json.loads(path.read_text(encoding="utf-8"))
        rows.append(
            [
                Cell(training_set),
                Cell(network),
                Cell(seed.removeprefix("seed-")),
                Cell(entry["parameters"], millions),
                Cell(entry["seconds_per_step"], "{:.3g}".format),
                Cell(entry["peak_mib"], COUNT, note=MEMORY.get(entry["device"], entry["device"])),
            ]
        )
    header = ["training set", "network", "seed", "parameters", "s per step", "peak MiB"]
    return Table("Trainings of segmentation networks", header, rows)


def peaks_of(trainings: Table) -> list[float]:
    """Return the peak memory in MiB of the trainings that were measured as a process."""
    return [row[-1].value for row in trainings.rows if row[-1].note == MEMORY["cpu"]]
