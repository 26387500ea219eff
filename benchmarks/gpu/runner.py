"""Run the stages one after the other, within the seconds given, in one process as long as that lasts.

Each new process starts CUDA again, compiles Triton's kernels and lets cuDNN try its algorithms.
"""

import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from benchmarks.gpu.results import Row, append_row, read_rows
from benchmarks.gpu.stage import BETWEEN, Settings, Stage, do_stages
from dar_uda.plan.code_version import code_version

SEGMENTER, TRANSLATOR = "dar_uda.segmentation.train", "dar_uda.translation.train"
PREDICTION, SYNTHESIS = "dar_uda.segmentation.predict", "dar_uda.translation.synthesis"
METHOD = (SEGMENTER, TRANSLATOR, PREDICTION, SYNTHESIS)
STAGES = (
    Stage("machine", "benchmarks.gpu.machine"),
    Stage("figures", "benchmarks.gpu.figures", METHOD),
    Stage("checks", "benchmarks.gpu.checks", METHOD),
    Stage("kernels", "benchmarks.gpu.kernels", (SEGMENTER, TRANSLATOR)),
    Stage("choices", "benchmarks.gpu.choices", (SEGMENTER, TRANSLATOR, PREDICTION)),
    Stage("schedule", "benchmarks.gpu.schedule", (SEGMENTER, TRANSLATOR)),
    Stage("trainings", "benchmarks.gpu.trainings", (SEGMENTER, TRANSLATOR, PREDICTION)),
    Stage("abdomen", "benchmarks.gpu.abdomen", (SEGMENTER, TRANSLATOR, PREDICTION)),
)
"""In their order: what comes first gets the time."""
PATIENCE = {"cuda": 1.5, "cpu": 20}
"""A task is ended after this many times the seconds that it should take on a card."""
LEAST_SECONDS = 5.0
LAST_LINES = 25
PROJECT = Path(__file__).parents[2]
ABOVE_LIB = re.compile(r"(?<![\w./])/(?:[\w.+-]+/)*?lib/")
"""The folders in which a Python has its library: an environment's, or the system's."""
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
    resumed = _begin(settings, resume)
    scratch = Path(tempfile.mkdtemp(prefix="dar-uda-gpu-", dir=settings.scratch))
    settings = replace(settings, scratch=scratch, resumed=resumed)
    try:
        with _ended_by_sigterm():
            _run_stages(settings, [(stage, digest_of(stage)) for stage in stages], end)
    except Ended:
        return 128 + signal.SIGTERM
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def digest_of(stage: Stage) -> str:
    """Return the digest of the code on which a stage's rows depend: its module and those of dar_uda that it names."""
    versions = [code_version(stage.module, stage.root), *map(code_version, stage.code)]
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()[:16]


def _begin(settings: Settings, resume: Path | None) -> int:
    """Make the output folder, with the rows of an earlier run, if any; return how many these are."""
    settings.results.parent.mkdir(parents=True, exist_ok=True)
    if resume is None and settings.results.exists():
        raise FileExistsError(
            f"{settings.results} has rows of an earlier run: add --resume {settings.results}, or give another --out"
        )
    rows = read_rows(resume) if resume else []
    settings.results.write_text("", encoding="utf-8")
    for row in rows:
        append_row(settings.results, row)
    return len(rows)


def _run_stages(settings: Settings, stages: Sequence[tuple[Stage, str]], end: float) -> None:
    """Run stages, each with the digest of its code: in a new process after each task at which one ends.

    Stages for which no time was left have a row that says so.
    """
    while (left := end - time.monotonic()) >= LEAST_SECONDS and _run_process(settings, stages, end):
        pass
    begun = {row["stage"] for row in read_rows(settings.results)[settings.resumed :]}
    missed = [note_of(*given) for given in stages if left < LEAST_SECONDS and given[0].name not in begun]
    for note in missed:
        append_row(settings.results, {**note, "state": "no time", "left": round(max(0.0, left), 1)})


def note_of(stage: Stage, code: str) -> Row:
    """Return the fields of a row of a stage that has not begun."""
    return {"stage": stage.name, "code": code, "card": "", "task": BETWEEN}


def _run_process(settings: Settings, stages: Sequence[tuple[Stage, str]], end: float) -> bool:
    """Do stages in a process; where it does not come to its end, add a row with its last lines.

    Returns:
        Whether another process is to go on without the task at which this one ended.
    """
    settings.log.touch()
    before, start = settings.log.stat().st_size, time.monotonic()
    context = _context()
    begun, begins = context.Pipe(duplex=False)
    process = context.Process(target=do_stages, args=(settings, stages, end, begins))
    process.start()
    begins.close()
    watch = Watch(process, begun, end, PATIENCE[settings.device], {**note_of(*stages[0]), "since": start})
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
            append_row(settings.results, {**task, "state": state, **took, "lines": last_lines(text)})
    return process.exitcode != 0 and "limit" in watch.task


def last_lines(text: str) -> list[str]:
    """Return the last lines of a log, paths without the folders of this machine above the project or `lib`."""
    within = text.replace(f"{PROJECT}/", "")
    return [ABOVE_LIB.sub("lib/", line) for line in within.splitlines()[-LAST_LINES:]]


class Watch:
    """Follow the tasks of a process until it ends, or has to.

    Args:
        begun: Receives the fields of each task that begins.
        end: When the run's time is over.
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
    """Return how a process starts: forked from a process that has imported torch, and has not touched the card."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", SEGMENTER, TRANSLATOR])
    return context


def _end(process: BaseProcess) -> None:
    """End a process that is still there and all that it started: first in a way that leaves a trace in the log."""
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
