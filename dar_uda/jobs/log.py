"""One log per job: the same lines in the job's log file and on the terminal, the job's own time as the last."""

import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dar_uda.jobs.error_codes import explained
from dar_uda.jobs.files import locked
from dar_uda.jobs.text import shown_message

PLAIN = (ValueError, OSError, RuntimeError, FloatingPointError)
"""Errors whose text says all; of others the kind is told too."""
OUT_OF_MEMORY = ("not enough memory", "can't allocate memory", "out of memory", "Unable to allocate")


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Send the block's log lines to `path` (appended) and to the terminal, and the seconds it took.

    An error ends the process with status 1: its meaning is logged, its traceback stands in `path` alone.

    Raises:
        SystemExit: After an error in the block.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    start_log(path)
    start = time.perf_counter()
    try:
        with locked(path):
            yield
    except Exception as error:
        logging.critical(explained(f"ERROR: {in_words(error)} (more in {path})"))
        with path.open("a", encoding="utf-8") as file:
            file.write(shown_message("".join(traceback.format_exception(error))) + "\n")
        raise SystemExit(1) from None
    logging.info("done in %.2f s", time.perf_counter() - start)


def start_log(path: str | Path | None) -> None:
    """Send this process's log lines to `path` (appended) and to the terminal; None: warnings, to the terminal alone."""
    files = [logging.FileHandler(path, encoding="utf-8")] if path else []
    handlers = [*files, logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(_Lines("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO if path else logging.WARNING, handlers=handlers, force=True)
    logging.captureWarnings(True)


class _Lines(logging.Formatter):
    """Lines in which names of files do no harm."""

    def format(self, record: logging.LogRecord) -> str:
        return shown_message(super().format(record))


def in_words(error: BaseException) -> str:
    """Return what an error means to the user."""
    text = str(error) if isinstance(error, PLAIN) else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return (
            f"DAR-225: out of memory ({text.splitlines()[0]}). Run fewer jobs at a time (--cores), set "
            "activation_checkpointing=true, or take a smaller batch_size or patch_size; a training goes on from its "
            "last checkpoint if its settings stay"
        )
    return text
