"""What the trainings of a method took, as cells of a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dar_uda.evaluation.cells import COUNT, Cell, millions

COSTS = ["parameters", "training MiB", "s per step"]
"""The header of the cells."""
UNKNOWN = [Cell(None)] * len(COSTS)


def read_costs(usage: Mapping[str, Sequence[str | Path]]) -> dict[str, list[Cell]]:
    """Return parameters, peak memory and seconds per step by method, means over its files of `write_usage`."""
    return {method: _cost(paths) for method, paths in usage.items()}


def _cost(paths: Sequence[str | Path]) -> list[Cell]:
    read = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    seconds = [one["seconds_per_step"] for one in read if one["seconds_per_step"] is not None]
    return [
        Cell(read[0]["parameters"], millions),
        Cell(np.mean([one["peak_mib"] for one in read]), COUNT),
        Cell(np.mean(seconds) if seconds else None, "{:.2f}".format),
    ]
