"""Run the stages one after the other, each in a process of its own, within the seconds given."""

import hashlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from benchmarks.gpu.results import append_row, read_rows
from benchmarks.gpu.stage import Settings, Stage, do_stage
from dar_uda.code_version import code_version

SEGMENTER, TRANSLATOR = "dar_uda.segmentation.train", "dar_uda.translation.train"
PREDICTION, SYNTHESIS = "dar_uda.segmentation.predict", "dar_uda.translation.synthesis"
METHOD = (SEGMENTER, TRANSLATOR, PREDICTION, SYNTHESIS)
STAGES = (
    Stage("machine", "benchmarks.gpu.machine", 15),
    Stage("checks", "benchmarks.gpu.checks", 70, METHOD),
    Stage("trainings", "benchmarks.gpu.trainings", 40, (SEGMENTER, TRANSLATOR, PREDICTION)),
    Stage("kernels", "benchmarks.gpu.kernels", 25, (SEGMENTER, TRANSLATOR)),
    Stage("figures", "benchmarks.gpu.figures", 120, METHOD),
    Stage("choices", "benchmarks.gpu.choices", 30, (SEGMENTER, TRANSLATOR)),
    Stage("schedule", "benchmarks.gpu.schedule", 20, (SEGMENTER, TRANSLATOR)),
    Stage("abdomen", "benchmarks.gpu.abdomen", 110, (SEGMENTER, TRANSLATOR, PREDICTION)),
)
PATIENCE = {"cuda": 1.5, "cpu": 20}
"""A stage is ended after this many times the seconds that it should take on a card."""
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
            for stage in stages:
                _run_stage(settings, stage, min(PATIENCE[settings.device] * stage.seconds, end - time.monotonic()))
    except Ended:
        return 128 + signal.SIGTERM
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


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
    """Run a stage; where it does not come to its end, add a row that says how it ended, with its last lines."""
    note = {"stage": stage.name, "code": digest_of(stage), "card": "", "task": "process"}
    if seconds < LEAST_SECONDS:
        append_row(settings.results, {**note, "state": "no time", "left": round(max(0.0, seconds), 1)})
        return
    settings.log.touch()
    before, start = settings.log.stat().st_size, time.monotonic()
    process = _context().Process(target=do_stage, args=(settings, stage, note["code"]))
    process.start()
    try:
        process.join(seconds)
        state = "hung" if process.is_alive() else "died"
    except Ended:
        state = "ended"
        raise
    finally:
        _end(process)
        if process.exitcode != 0:
            text = settings.log.read_bytes()[before:].decode(errors="replace")
            took = {"seconds": round(time.monotonic() - start, 1), "exit": process.exitcode}
            append_row(settings.results, {**note, "state": state, **took, "lines": text.splitlines()[-LAST_LINES:]})


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
