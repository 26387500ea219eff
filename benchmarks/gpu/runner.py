"""Run the stages one after the other, each in a process of its own, within the seconds given."""

import hashlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from benchmarks.gpu.results import FINISHED, Row, append_row, read_rows
from benchmarks.gpu.stage import WHOLE, Settings, Stage, do_stage
from dar_uda.code_version import code_version

SEGMENTER, TRANSLATOR = "dar_uda.segmentation.train", "dar_uda.translation.train"
PREDICTION, SYNTHESIS = "dar_uda.segmentation.predict", "dar_uda.translation.synthesis"
METHOD = (SEGMENTER, TRANSLATOR, PREDICTION, SYNTHESIS)
STAGES = (
    Stage("machine", "benchmarks.gpu.machine", 25),
    Stage("checks", "benchmarks.gpu.checks", 45, METHOD),
    Stage("choices", "benchmarks.gpu.choices", 75, (SEGMENTER, TRANSLATOR)),
    Stage("kernels", "benchmarks.gpu.kernels", 45, (SEGMENTER, TRANSLATOR)),
    Stage("figures", "benchmarks.gpu.figures", 75, METHOD),
    Stage("schedule", "benchmarks.gpu.schedule", 35, (SEGMENTER, TRANSLATOR)),
    Stage("trainings", "benchmarks.gpu.trainings", 75, (SEGMENTER, TRANSLATOR, PREDICTION)),
    Stage("abdomen", "benchmarks.gpu.abdomen", 110, (SEGMENTER, TRANSLATOR, PREDICTION), spare=True),
)
PATIENCE = {"cuda": 1.5, "cpu": 20}
"""A stage and a task are ended after this many times the seconds that they should take on a card."""
LEAST_SECONDS = 5.0
LAST_LINES = 25
SECONDS_TO_DIE = 5.0


class Ended(BaseException):
    """The run got SIGTERM."""


def run(settings: Settings, seconds: float, stages: Sequence[Stage] = STAGES, resume: Path | None = None) -> int:
    """Run the stages and return the exit status: 0, or 143 after SIGTERM.

    Args:
        settings: `scratch` is the folder in which the run's own one is made.
        seconds: Of the whole run.
        resume: Rows of an earlier run; what they have is not done again.

    Raises:
        FileExistsError: There are rows in the results already.
    """
    end = time.monotonic() + seconds
    _begin(settings, resume)
    scratch = Path(tempfile.mkdtemp(prefix="dar-uda-gpu-", dir=settings.scratch))
    settings = replace(settings, scratch=scratch)
    try:
        with _ended_by_sigterm():
            for index, stage in enumerate(stages):
                share = share_of(stage, stages[index + 1 :], end - time.monotonic(), read_rows(settings.results))
                _run_stage(settings, stage, min(PATIENCE[settings.device] * stage.seconds, share))
    except Ended:
        return 128 + signal.SIGTERM
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def share_of(stage: Stage, following: Sequence[Stage], left: float, rows: Sequence[Row]) -> float:
    """Return the seconds that a stage gets of those left, by what it and the stages after it should take.

    Stages that `rows` have whole, on any card, and spare ones leave their part to the others.
    """
    whole = {(row["stage"], row["code"]) for row in rows if row["task"] == WHOLE and row["state"] in FINISHED}
    waiting = [other for other in following if not other.spare and (other.name, digest_of(other)) not in whole]
    return left * stage.seconds / (stage.seconds + sum(other.seconds for other in waiting))


def digest_of(stage: Stage) -> str:
    """Return the digest of the code on which a stage's rows depend: its module and those of dar_uda that it names."""
    versions = [code_version(stage.module, stage.root), *map(code_version, stage.code)]
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()[:16]


def _begin(settings: Settings, resume: Path | None) -> None:
    """Make the output folder, with the rows of an earlier run, if any."""
    settings.results.parent.mkdir(parents=True, exist_ok=True)
    if resume is None and settings.results.exists():
        raise FileExistsError(
            f"{settings.results} has rows of an earlier run: add --resume {settings.results}, or give another --out"
        )
    rows = read_rows(resume) if resume else []
    settings.results.write_text("", encoding="utf-8")
    for row in rows:
        append_row(settings.results, row)


def _run_stage(settings: Settings, stage: Stage, seconds: float) -> None:
    """Run a stage, in a new process after each task at which one ends; such a task is not done again in this run."""
    note = {"stage": stage.name, "code": digest_of(stage), "card": "", "task": "process"}
    end, ended = time.monotonic() + seconds, set()
    while (left := end - time.monotonic()) >= LEAST_SECONDS:
        task = _run_process(settings, stage, note, end, ended)
        if task is None:
            return
        ended.add(task)
    append_row(settings.results, {**note, "state": "no time", "left": round(max(0.0, left), 1)})


def _run_process(settings: Settings, stage: Stage, note: Row, end: float, ended: Set[str]) -> str | None:
    """Do the tasks of a stage in a process; where it does not come to its end, add a row with its last lines.

    Args:
        note: The fields of that row where no task has begun.
        end: When the stage's time is over.
        ended: Tasks that are not done.

    Returns:
        The task at which the process ended, if the stage is to go on with the others.
    """
    settings.log.touch()
    before, start = settings.log.stat().st_size, time.monotonic()
    context = _context()
    begun, begins = context.Pipe(duplex=False)
    process = context.Process(target=do_stage, args=(settings, stage, note["code"], ended, begins))
    process.start()
    begins.close()
    watch = Watch(process, begun, end, PATIENCE[settings.device], {**note, "since": start})
    try:
        state = watch.wait()
    except Ended:
        state = "ended"
        raise
    finally:
        _end(process)
        if process.exitcode != 0:
            text = settings.log.read_bytes()[before:].decode(errors="replace")
            task = watch.task
            took = {"seconds": round(time.monotonic() - task.pop("since"), 1), "exit": process.exitcode}
            append_row(settings.results, {**task, "state": state, **took, "lines": text.splitlines()[-LAST_LINES:]})
    return task["task"] if process.exitcode != 0 and task["task"] != note["task"] else None


class Watch:
    """Follow the tasks of a process until it ends, or has to.

    Args:
        begun: Receives the fields of each task that begins.
        end: When the stage's time is over.
        patience: A task may take this many times its `limit`.
        task: The fields of what comes before the first task.

    Attributes:
        task: The fields of the last task that began, with `since`.
    """

    def __init__(self, process: BaseProcess, begun: Connection, end: float, patience: float, task: Row) -> None:
        self.process, self.begun, self.end, self.patience, self.task = process, begun, end, patience, task

    def wait(self) -> str:
        """Return the state of the row that a process leaves which does not come to its end."""
        sources = [self.begun, self.process.sentinel]
        while True:
            limit = self.task["since"] + self.patience * self.task.get("limit", float("inf"))
            ready = wait(sources, max(0.0, min(limit, self.end) - time.monotonic()))
            if not ready:
                return "hung" if limit < self.end else "no time"
            if self.begun not in ready:
                return "died"
            try:
                self.task = {**self.begun.recv(), "since": time.monotonic()}
            except EOFError:  # there will be no other task
                sources.remove(self.begun)


def _context() -> multiprocessing.context.ForkServerContext:
    """Return how stages start: forked from a process that has imported torch, and has not touched the card."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", SEGMENTER, TRANSLATOR])
    return context


def _end(process: BaseProcess) -> None:
    """End a stage that is still there and all that it started: first in a way that leaves a trace in the log."""
    for number in (signal.SIGABRT, signal.SIGKILL):
        if process.is_alive():
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:  # it is not yet the head of its group
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
            process.join(SECONDS_TO_DIE)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within the block SIGTERM raises `Ended`."""

    def end(_: int, __: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
