"""One log per job: the same lines in the job's log file and on the terminal, the job's own time as the last."""

import atexit
import logging
import sys
import time
from pathlib import Path
from types import TracebackType


def log_to(path: str | Path) -> None:
    """Send log lines and an uncaught exception's traceback to `path` (appended) and to the terminal.

    A process that ends without such an exception logs the seconds since this call: imports and start-up aside.
    """
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
    start = time.perf_counter()

    def log_time() -> None:
        logging.info("done in %.2f s", time.perf_counter() - start)

    def log_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        atexit.unregister(log_time)
        logging.critical("%s", error, exc_info=(kind, error, trace))

    atexit.register(log_time)
    sys.excepthook = log_error
