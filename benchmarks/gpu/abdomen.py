"""Stage `abdomen`: the `gpu` budget on the kit's volumes: `supervised` as a whole, the translator's steps projected."""

from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.trainings import supervised, translator
from benchmarks.gpu.volumes import unpacked
from benchmarks.gpu.workloads import method
from dar_uda.training.device import use_device

BUDGET, FEW, LEVELS = "gpu", 5, 60


def run(tasks: Tasks) -> None:
    packed = tasks.settings.data / "volumes.tar.xz"
    if not packed.exists():
        tasks.do("volumes", lambda: {"note": "the kit has none: make gpu-kit RUN=results/NAME"})
        return
    use_device(str(tasks.device), torch.get_num_threads())  # as every training does
    cases, values = unpacked(packed, tasks.settings.scratch), method(BUDGET)
    tasks.do("translator, projected", lambda: projected(tasks, cases, values), seconds=40)
    tasks.do("supervised", lambda: supervised(tasks, cases, values, None), seconds=200)


def projected(tasks: Tasks, cases: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Train some steps of the translator; return the hours that all of them would take at that rate.

    The rate is that of the steps which a long training has beyond a short one: both begin and end alike. One before
    them lets cuDNN try its algorithms.
    """
    _, short, long = (translator(tasks, cases, values, steps) for steps in (FEW, FEW, FEW + LEVELS))
    per_step = (long["took"] - short["took"]) / max(1, long["steps"] - short["steps"])
    return {**long, "seconds_per_step": per_step, "hours": per_step * values["translation"]["steps"] / 3600}
