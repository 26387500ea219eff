"""How figures are taken: interleaved medians in one process, peak memory in a process of its own."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        goal: Largest ratio of `ours` to `literal`; without a literal form the largest value of `ours`;
            None: a figure without a goal.
        note: Spread, or why it was not measured.
    """

    what: str
    unit: str
    literal: float | None
    ours: float | None
    goal: float | None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.literal is None or self.ours is None else self.ours / self.literal

    @property
    def met(self) -> str:
        if self.goal is None:
            return ""
        if self.ours is None:
            return "not measured"
        return "yes" if (self.ours if self.ratio is None else self.ratio) <= self.goal else "no"


def interleaved(
    forms: Mapping[str, Callable[[], object]],
    repeats: int = 5,
    device: "torch.device | None" = None,
    unrecorded: int = 1,
) -> dict[str, list[float]]:
    """Return the seconds of each form: all in turn, `unrecorded` times first, then `repeats` times.

    Args:
        device: Where the forms compute; None: on the CPU.
    """
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for repeat in range(unrecorded + repeats):
        for name, form in forms.items():
            took = seconds_of(form, device)
            if repeat >= unrecorded:
                seconds[name].append(took)
    return seconds


def seconds_of(form: Callable[[], object], device: "torch.device | None" = None) -> float:
    """Return how long one call takes; on a GPU by two events around it, so that the work it has queued counts."""
    if device is not None and device.type == "cuda":
        return _seconds_by_events(form, device)
    start = time.perf_counter()
    form()
    return time.perf_counter() - start


def _seconds_by_events(form: Callable[[], object], device: "torch.device") -> float:
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    form()
    end.record()
    torch.cuda.synchronize(device)
    return start.elapsed_time(end) / 1000


def timed_row(
    what: str, seconds: Mapping[str, list[float]], ours: str, goal: float, literal: str = "literal", note: str = ""
) -> Row:
    """Return the row of one form's medians against another's."""
    theirs, mine = seconds[literal], seconds[ours]
    spread = f"{min(theirs):.3g}-{max(theirs):.3g} / {min(mine):.3g}-{max(mine):.3g}, n {len(mine)}"
    return Row(what, "s", statistics.median(theirs), statistics.median(mine), goal, f"{spread} {note}".strip())


def peak_mib(module: str, *arguments: str) -> float:
    """Return what `python -m module arguments` prints last: MiB that it took beyond its start, see `grown_mib`."""
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    return float(run.stdout.split()[-1])


def resident_mib() -> float:
    """Return the memory that this process holds now."""
    return _memory_mib("VmRSS")


def grown_mib(start: float) -> float:
    """Return by how much the peak of this process exceeds `start`."""
    return _memory_mib("VmHWM") - start


def _memory_mib(field: str) -> float:
    """Return a field of /proc/self/status; unlike getrusage's, its peak does not begin with the parent's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def cpu_has_bfloat16() -> bool:
    """Return whether the processor computes in bfloat16 itself (AVX512-BF16 or AMX)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpuinfo.read_text().split())
