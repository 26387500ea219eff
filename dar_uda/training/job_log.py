"""One log per job: the same lines in the job's log file and on the terminal."""

import logging
import sys
from pathlib import Path


def log_to(path: str | Path) -> None:
    """Send log lines and an uncaught exception's traceback to `path` (appended) and to the terminal."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler(sys.stderr)],
        force=True,
    )
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: logging.critical("%s", error, exc_info=(kind, error, trace))
