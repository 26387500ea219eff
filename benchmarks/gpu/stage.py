"""A stage: tasks that a process of its own does one after the other, a row for each."""

import faulthandler
import gc
import importlib
import os
import time
import traceback
from collections.abc import Callable, Set
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.gpu.results import DISTURBS, FINISHED, append_row, read_rows, tasks_in

BENCHMARKS = Path(__file__).parents[1]
WHOLE = "the whole stage"
"""The task of the row that says that all tasks of a stage are done."""
TASK_SECONDS = 20.0
"""What a task should take on a card at most, where it names no other limit."""


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
    """

    data: Path
    results: Path
    log: Path
    scratch: Path
    device: str
    tiny: bool


@dataclass(frozen=True)
class Stage:
    """A module with a function `run(tasks: Tasks)`.

    Args:
        seconds: What it should take on a card.
        code: Modules of dar_uda on which its rows depend.
        root: The folder of the package that has the module.
        spare: The stage gets only the time that the stages before it leave.
    """

    name: str
    module: str
    seconds: float
    code: tuple[str, ...] = ()
    root: Path = BENCHMARKS
    spare: bool = False


class Tasks:
    """Do the tasks of a stage that an earlier run has not done.

    Args:
        ended: Tasks at which an earlier process of this run has ended.
        begins: Gets the fields of a row and `limit` before each task.

    Attributes:
        device: torch's device.
        errors: How many tasks have ended with an error, or ended a process of this run; the next run repeats those.
        later: Tasks that disturbed an earlier run, done after the others: one may leave the card unusable, or hang.
    """

    def __init__(
        self,
        settings: Settings,
        stage: Stage,
        code: str,
        ended: Set[str] = frozenset(),
        begins: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        import torch

        self.settings, self.tiny = settings, settings.tiny
        self.device = torch.device("cuda:0" if settings.device == "cuda" else "cpu")
        name = torch.cuda.get_device_name(self.device) if settings.device == "cuda" else "CPU"
        self.key = {"stage": stage.name, "code": code, "card": f"{name}, tiny" if settings.tiny else name}
        rows = read_rows(settings.results)
        finished = tasks_in(rows, FINISHED, **self.key)
        self.errors, self.finished, self.later = len(ended), finished | ended, []
        self._begins, self._disturb = begins, tasks_in(rows, DISTURBS, **self.key) - self.finished - {WHOLE}

    def do(self, task: str, function: Callable[[], dict[str, Any]], seconds: float = TASK_SECONDS) -> None:
        """Do a task and add its row: what the function returns, or the error that it raises.

        Args:
            function: Returns the fields of the row; `state`: "failed" where a value lies beyond its limit.
            seconds: What the task should take on a card at most.

        Raises:
            RuntimeError: The card does not compute any more.
        """
        if task in self.finished:
            return
        if task in self._disturb:
            self._disturb.remove(task)
            self.later.append((task, function, seconds))
            return
        print(f"{self.key['stage']}: {task} ...", flush=True)
        self._begins({**self.key, "task": task, "limit": seconds})
        start = time.perf_counter()
        try:
            fields = {"state": "ok", **function()}
            self._wait()  # a fault of what is still queued is this task's
        except Exception as error:
            fields = {"state": "error", "error": f"{type(error).__name__}: {error}"[:2000]}
            self.errors += 1
            traceback.print_exc()
        seconds = round(time.perf_counter() - start, 3)
        append_row(self.settings.results, {**self.key, "task": task, "seconds": seconds, **fields})
        self._free()

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


def do_stage(settings: Settings, stage: Stage, code: str, ended: Set[str], begins: Connection) -> None:
    """Do a stage in this process, which is for it alone; what it prints goes to the log.

    Args:
        ended, begins: As those of `Tasks`; the connection sends.
    """
    os.setsid()
    log = os.open(settings.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()  # a task beyond its deadline gets SIGABRT: the log then says where it was
    tasks = Tasks(settings, stage, code, ended, begins.send)
    if WHOLE not in tasks.finished:
        module = importlib.import_module(stage.module)
        gc.freeze()  # what is imported is no garbage, and each collection is quick
        module.run(tasks)
        for task in tasks.later:
            tasks.do(*task)
        tasks.do(WHOLE, lambda: {"state": "error" if tasks.errors else "ok"})
