"""Stage 7: the `gpu` budget on the volumes of the kit: `supervised` as a whole, the translator's steps projected."""

import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.trainings import supervised, translator
from benchmarks.gpu.volumes import unpacked
from benchmarks.gpu.workloads import method

BUDGET, STEPS = "gpu", 60


def run(tasks: Tasks) -> None:
    packed = tasks.settings.data / "volumes.tar.xz"
    if not packed.exists():
        tasks.do("volumes", lambda: {"note": "the kit has none: make gpu-kit RUN=results/NAME"})
        return
    cases, values = unpacked(packed, tasks.settings.scratch), method(BUDGET)
    tasks.do("translator, projected", lambda: projected(tasks, cases, values))
    tasks.do("supervised", lambda: supervised(tasks, cases, values, None))


def projected(tasks: Tasks, cases: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Train some steps of the translator; return the hours that all of them would take at that rate."""
    steps = values["translation"]["steps"]
    start = time.perf_counter()
    found = translator(tasks, cases, values, STEPS)
    per_step = (time.perf_counter() - start) / found["steps"]
    return {**found, "seconds_per_step": per_step, "hours": per_step * steps / 3600}
