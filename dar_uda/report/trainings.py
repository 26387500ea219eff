"""What each segmenter's training took, from the file beside its weights."""

import json
from pathlib import Path

from dar_uda.report.scores import Cell, Table, number_cell

MEMORY = {"cpu": "of the process", "cuda": "of the GPU"}


def training_table(run: str | Path) -> Table:
    """Return one row per `seed-*/segmenters/{training_set}/{network}/resources.json` of a run's folder."""
    rows = []
    for path in sorted(Path(run).glob("seed-*/segmenters/*/*/resources.json")):
        seed, _, training_set, network = path.parent.relative_to(run).parts
        entry = json.loads(path.read_text(encoding="utf-8"))
        peak = number_cell(entry["peak_mib"], ".0f")
        rows.append(
            [
                Cell(training_set),
                Cell(network),
                Cell(seed.removeprefix("seed-")),
                Cell(f"{entry['parameters'] / 1e6:.2f} M", value=entry["parameters"]),
                number_cell(entry["seconds_per_step"], ".3g"),
                Cell(peak.text, MEMORY.get(entry["device"], entry["device"]), peak.value),
            ]
        )
    header = ["training set", "network", "seed", "parameters", "s per step", "peak MiB"]
    return Table("Trainings of segmentation networks", header, rows)


def peaks_of(trainings: Table) -> list[float]:
    """Return the peak memory in MiB of the trainings that were measured as a process."""
    return [row[-1].value for row in trainings.rows if row[-1].note == MEMORY["cpu"]]
