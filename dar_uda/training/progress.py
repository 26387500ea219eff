"""Progress of long work: rate, losses and time left, as log lines that suit a terminal and a file."""

import logging
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Log a line every ten seconds, and the last one, with an estimate of the time left.

    Args:
        name: What is being done, for the reader.
        total: Number of units of work in all.
        done: Units done before (a resumed training).
        unit: What one unit is.
    """

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "step") -> None:
        self.name, self.total, self.first, self.unit = name, total, done, unit
        self.start = self.last = time.monotonic()

    def report(self, done: int, values: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_LINES and done < self.total:
            return
        self.last = now
        rate = (now - self.start) / max(1, done - self.first)
        left = _duration(rate * (self.total - done))
        losses = "".join(f", {name} {value:.3g}" for name, value in (values or {}).items())
        unit = self.unit
        logger.info("%s: %s %d/%d, %.2f s/%s, %s left%s", self.name, unit, done, self.total, rate, unit, left, losses)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
