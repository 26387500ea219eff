"""Progress of long work: rate, losses and time left, as log lines that suit a terminal and a file, or as a bar."""

import logging
import shutil
import sys
import time
from collections.abc import Mapping

from dar_uda.jobs.text import shown_name

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_BARS = 0.2
CELLS = 30


class Progress:
    """Log a line every ten seconds, and the last one, with an estimate of the time left.

    Args:
        name: What is being done, for the reader.
        total: Number of units of work in all.
        done: Units done before (a resumed training).
        unit: What one unit is.
    """

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "step") -> None:
        self.name, self.total, self.first, self.unit = shown_name(name), total, done, unit
        self.start = self.last = time.monotonic()

    def report(self, done: int, values: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_LINES and done < self.total:
            return
        self.last = now
        logger.info("%s", self._text(now, done, values))

    def _text(self, now: float, done: int, values: Mapping[str, float] | None = None) -> str:
        rate = (now - self.start) / max(1, done - self.first)
        left = duration(rate * (self.total - done))
        losses = "".join(f", {name} {value:.3g}" for name, value in (values or {}).items())
        unit = self.unit
        return f"{self.name}: {unit} {done}/{self.total}, {rate:.2f} s/{unit}, {left} left{losses}"


class Bar(Progress):
    """Progress of a part of the work: a bar on a terminal, gone when the part is done; lines in a file.

    For a process that has the terminal to itself: the jobs of a workflow share theirs.
    """

    def report(self, done: int, values: Mapping[str, float] | None = None) -> None:
        if not sys.stderr.isatty():
            if done < self.total:
                super().report(done, values)
            return
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_BARS and done < self.total:
            return
        self.last = now
        filled = CELLS * done // self.total
        bar = f"[{'#' * filled}{'-' * (CELLS - filled)}] {self._text(now, done, values)}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{bar[:width] if done < self.total else ''}", end="", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return seconds as hours:minutes:seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
