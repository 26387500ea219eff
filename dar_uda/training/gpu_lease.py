"""Which GPU a job computes on: Snakemake counts GPUs, but tells no job which is its own."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
"""Set where a scheduler has given the job its devices: those are its own already."""
SECONDS_BETWEEN_TRIES = 0.2
_held: dict[str, int] = {}


def lease_gpu(count: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return the index, of `count` visible GPUs, of one that no other job of this user on this machine computes on.

    It is this process's until it ends, even by kill -9. Waits while all are taken.
    """
    if any(name in environment for name in SCHEDULERS):
        return 0
    visible = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = visible or [str(index) for index in range(count)]
    return names.index(lease(names, Path(tempfile.gettempdir()) / f"dar-uda-gpus-{os.getuid()}"))


def lease(names: Sequence[str], folder: Path) -> str:
    """Return one of `names`, locked by a file in `folder` until this process ends; the same one to the same process.

    Raises:
        PermissionError: The folder is another user's.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; expected a folder of your own: set TMPDIR")
    for name in names:
        if name in _held:
            return name
    waits = False
    while True:
        for name in names:
            file = os.open(folder / f"{name.replace('/', '_')}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            _held[name] = file
            return name
        if not waits:
            logger.info("All %d GPUs are taken by other jobs (locks in %s): waiting for one", len(names), folder)
            waits = True
        time.sleep(SECONDS_BETWEEN_TRIES)
