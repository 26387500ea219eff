"""Commands of nnU-Net, run by an interpreter that has it, their lines passed on to the job's log."""

import ctypes
import logging
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dar_uda.jobs.progress import Progress
from dar_uda.nnunet.commands import VERSION

logger = logging.getLogger(__name__)
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
LAST, WIDTH = 12, 300
PACKAGES = ("nnunetv2", "torch")
ASKS_VERSIONS = f"from importlib.metadata import version; print(*map(version, {PACKAGES}))"
EPOCH, LOSS = re.compile(r"\bEpoch (\d+)\s*$"), re.compile(r"\btrain_loss (\S+)")


def versions_of(python: str) -> dict[str, str]:
    """Return the versions of the packages `nnunetv2` and `torch` that an interpreter has.

    Raises:
        FileNotFoundError: There is no such interpreter.
        RuntimeError: It has no nnU-Net, or another version.
    """
    try:
        asked = subprocess.run(  # nosec B603 # no shell, and the interpreter is the one that the user's config names
            [python, "-c", ASKS_VERSIONS], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise FileNotFoundError(
            f"DAR-236: nnunet_python: {python} cannot be run ({error.strerror}); expected a Python interpreter, such "
            "as .venv-nnunet/bin/python, which `make nnunet` makes"
        ) from None
    if asked.returncode:
        raise RuntimeError(
            f"DAR-237: {python} has no nnU-Net ({(asked.stderr.strip().splitlines() or ['no message'])[-1]}); expected "
            "the package nnunetv2: run `make nnunet` and set nnunet_python=.venv-nnunet/bin/python"
        )
    found = dict(zip(PACKAGES, asked.stdout.split(), strict=True))
    if found["nnunetv2"].split(".")[:2] != VERSION.split("."):
        raise RuntimeError(
            f"DAR-237: {python} has nnU-Net {found['nnunetv2']}; expected {VERSION}, to which the trainer is fitted: "
            "run `make nnunet`"
        )
    return found


def run(command: Sequence[str], environment: Mapping[str, str], each: Callable[[str], None] = lambda _: None) -> None:
    """Run a command and log its lines; `each` sees them too. It ends with this process, even by kill -9.

    Raises:
        RuntimeError: The command failed; the message has its last lines.
    """
    last: deque[str] = deque(maxlen=LAST)
    process = subprocess.Popen(  # nosec B603 # no shell, and the interpreter is the one that the user's config names
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=_end_with_parent,
    )
    with process:
        for line in map(str.rstrip, process.stdout or ()):
            if line.strip():
                last.append(line[:WIDTH])
                logger.info("%s", line[:WIDTH])
                each(line)
    if process.returncode:
        raise RuntimeError(
            f"DAR-238: {Path(command[1]).name} ended with status {process.returncode}; its last lines:\n  "
            + "\n  ".join(last)
        )


class Epochs:
    """Progress of a training, from the lines that nnU-Net prints.

    Args:
        total: Epochs in all.
    """

    def __init__(self, total: int) -> None:
        self.total, self.losses = total, dict[str, float]()
        self.progress: Progress | None = None

    def __call__(self, line: str) -> None:
        """Note a line; report the epochs done where it begins another."""
        if loss := LOSS.search(line):
            self.losses = {"loss": float(loss[1])}
        if begun := EPOCH.search(line):
            done = int(begun[1])
            self.progress = self.progress or Progress("train nnU-Net", self.total, done, unit="epoch")
            self.progress.report(done, self.losses)


def _end_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it is gone; other systems do not know how."""
    if hasattr(LIBC, "prctl"):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
