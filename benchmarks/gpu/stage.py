"""Stages: tasks that a process does one after the other, a row for each."""

import faulthandler
import gc
import importlib
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.gpu.results import DISTURBS, FINISHED, append_row, read_rows, tasks_in

BENCHMARKS = Path(__file__).parents[1]
WHOLE = "the whole stage"
"""The task of the row that says that a stage has come to its end."""
BETWEEN = "process"
"""What stands for the task while a stage does none."""
TASK_SECONDS = 20.0
"""What a task should take on a card at most, where it names no other limit; and what is between two tasks."""


@dataclass(frozen=True)
class Settings:
    """What all stages of a run have in common.

    Args:
        data: The folder that `make gpu-kit` wrote.
        results: The file of rows.
        log: What the stages print.
        scratch: A folder for their files, removed after the run.
        device: "cuda" or "cpu".
        tiny: Smallest sizes, to see that everything runs.
        resumed: How many rows, the first ones, are those of earlier runs.
    """

    data: Path
    results: Path
    log: Path
    scratch: Path
    device: str
    tiny: bool
    resumed: int = 0


@dataclass(frozen=True)
class Stage:
    """A module with a function `run(tasks: Tasks)`.

    Args:
        code: Modules of dar_uda on which its rows depend.
        root: The folder of the package that has the module.
    """

    name: str
    module: str
    code: tuple[str, ...] = ()
    root: Path = BENCHMARKS


class Tasks:
    """Do the tasks of a stage that no earlier run has finished and that this one has not begun.

    Args:
        begins: Gets the fields of a row and `limit`, in seconds, before each task, and after it those of `BETWEEN`.
        end: When the time is over, by `time.monotonic`.

    Attributes:
        device: torch's device.
        done: Tasks that are not done again.
        postponed: Tasks that disturbed an earlier run: one may leave the card unusable, or hang.
        complete: Whether all tasks of this run have come to their end; the next run repeats those that have not.
    """

    def __init__(
        self,
        settings: Settings,
        stage: Stage,
        code: str,
        begins: Callable[[dict[str, Any]], None] = lambda _: None,
        end: float = float("inf"),
    ) -> None:
        import torch

        self.settings, self.tiny, self.stage = settings, settings.tiny, stage
        self.device = torch.device("cuda:0" if settings.device == "cuda" else "cpu")
        name = torch.cuda.get_device_name(self.device) if settings.device == "cuda" else "CPU"
        self.key = {"stage": stage.name, "code": code, "card": f"{name}, tiny" if settings.tiny else name}
        rows = read_rows(settings.results)
        earlier, here = rows[: settings.resumed], rows[settings.resumed :]
        begun, finished = tasks_in(here, **self.key), tasks_in(here, FINISHED, **self.key)
        self.done, self.complete = tasks_in(earlier, FINISHED, **self.key) | begun, begun == finished
        self.postponed = tasks_in(earlier, DISTURBS, **self.key) - self.done - {WHOLE, BETWEEN}
        self._begins, self._end = begins, end

    def run(self) -> None:
        """Do the stage's tasks but those that are postponed; after the last one add the row of the whole stage."""
        if not self.done.isdisjoint((WHOLE, BETWEEN)):
            return
        self._between()
        importlib.import_module(self.stage.module).run(self)
        if not self.postponed:
            self._add(WHOLE, state="ok" if self.complete else "error")

    def run_postponed(self) -> None:
        """Do the tasks that are postponed."""
        if self.postponed:
            self.postponed = set()
            self.run()

    def do(self, task: str, function: Callable[[], dict[str, Any]], seconds: float = TASK_SECONDS) -> None:
        """Do a task and add its row: what the function returns, or the error that it raises.

        Args:
            function: Returns the fields of the row; `state`: "failed" where a value lies beyond its limit.
            seconds: What the task should take on a card at most: where less is left, it is not begun.

        Raises:
            RuntimeError: The card does not compute any more.
        """
        if task in self.done or task in self.postponed:
            return
        if (left := self._end - time.monotonic()) < seconds:
            self._add(task, state="no time", left=round(left, 1))
            return
        print(f"{self.key['stage']}: {task} ...", flush=True)
        self._begins({**self.key, "task": task, "limit": seconds})
        start = time.perf_counter()
        try:
            fields = {"state": "ok", **function()}
            self._wait()  # a fault of what is still queued is this task's
        except Exception as error:
            fields = {"state": "error", "error": f"{type(error).__name__}: {error}"[:2000]}
            traceback.print_exc()
        self._add(task, **{"seconds": round(time.perf_counter() - start, 3), **fields})
        self._free()
        self._between()

    def _add(self, task: str, **fields: Any) -> None:
        """Add the row of a task."""
        append_row(self.settings.results, {**self.key, "task": task, **fields})
        self.done.add(task)
        self.complete &= fields["state"] in FINISHED

    def _between(self) -> None:
        self._begins({**self.key, "task": BETWEEN, "limit": TASK_SECONDS})

    def _wait(self) -> None:
        """Wait for the card; raise where it does not compute any more."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)

    def _free(self) -> None:
        """Free the card's memory of what the task has left: an error's frames, and trainings, which hold themselves.

        Raise where the task has left the card unusable for this process.
        """
        if self.device.type == "cuda":
            import torch

            gc.collect()
            self._wait()
            torch.cuda.empty_cache()


def do_stages(settings: Settings, stages: Sequence[tuple[Stage, str]], end: float, begins: Connection) -> None:
    """Do stages in this process, which is for them alone; what they print goes to the log.

    What a stage sets for all of torch ends with it. Postponed tasks come after all others.

    Args:
        stages: Each with the digest of its code.
        end, begins: As those of `Tasks`; the connection sends.
    """
    os.setsid()
    log = os.open(settings.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()  # a task beyond its deadline gets SIGABRT: the log then says where it was
    from benchmarks.gpu.workloads import arithmetic_kept

    gc.freeze()  # what is imported stays, so each collection is quick
    of_stages = [Tasks(settings, stage, code, begins.send, end) for stage, code in stages]
    for run in (*(tasks.run for tasks in of_stages), *(tasks.run_postponed for tasks in of_stages)):
        with arithmetic_kept():
            run()
