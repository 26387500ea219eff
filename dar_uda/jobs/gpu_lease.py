"""Which GPU a job computes on: Snakemake counts GPUs, but does not say which is whose.

A lease is a lock on a file with the name of the GPU's UUID, so it holds whatever `CUDA_VISIBLE_DEVICES` shows each job,
also within one allocation of Slurm or one pod. Jobs that a scheduler gave a GPU each lock different files. The files
lie in one folder of each user, whatever TMPDIR each job has.
"""

import fcntl
import logging
import os
import random
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_TRIES = 0.2
COMMON = Path("/tmp")  # nosec B108 # whose folder is below it is seen to by `_own`
"""Where all jobs of a machine look for locks."""
_held: dict[str, int] = {}


def lease_gpus(wanted: int, names: Sequence[str], common: Path = COMMON) -> list[int]:
    """Return the indices of `wanted` of the visible GPUs: no other job of this user on this machine has them.

    They are this process's until it ends, even by kill -9. Waits while too many are taken.

    Args:
        names: Of the visible GPUs, in torch's order: those of one GPU are the same in every process.
        common: The folder below which all jobs have their locks.

    Raises:
        ValueError: There are fewer than wanted.
        PermissionError: No folder for the locks is one that this user alone can write to.
    """
    if wanted > len(set(names)):
        raise ValueError(
            f"DAR-212: gpus_per_training is {wanted}, torch finds {len(set(names))} GPUs; expected no more than there "
            "are"
        )
    return [names.index(name) for name in lease(names, _folder_of_locks(common), wanted)]


def _folder_of_locks(common: Path) -> Path:
    """Return this user's folder below the common one; where it cannot be one, that below TMPDIR, with a warning."""
    name = f"dar-uda-gpus-{os.getuid()}"
    try:
        return _own(common / name)
    except OSError as error:
        other = Path(tempfile.gettempdir()) / name
        if other == common / name:
            raise
        logger.warning(
            "DAR-232: the locks of GPUs are in %s (%s): set the same TMPDIR for all your jobs on this machine, or two "
            "may take the same GPU",
            other,
            error,
        )
        return other


def lease(names: Sequence[str], folder: Path, wanted: int = 1) -> list[str]:
    """Return `wanted` of `names`, locked by files in `folder` until this process ends; the same to the same process.

    All at once or none: a job that held some while it waits for others could wait for one that does the same.

    Raises:
        PermissionError: The folder is not one that this user alone can write to.
    """
    _own(folder)
    waits = False
    while True:
        leased = [name for name in names if name in _held][:wanted]
        taken: list[str] = []
        for name in names:
            if len(leased) + len(taken) < wanted and name not in _held and _take(name, folder):
                taken.append(name)
        if len(leased) + len(taken) == wanted:
            return [name for name in names if name in (*leased, *taken)]
        for name in taken:
            os.close(_held.pop(name))
        if not waits:
            logger.warning(
                "DAR-214: %d of %d GPUs wanted, too few are free (locks in %s): waiting", wanted, len(names), folder
            )
            waits = True
        time.sleep(random.uniform(0.5, 1) * SECONDS_BETWEEN_TRIES)  # nosec B311 # no secret: a pause


def _own(folder: Path) -> Path:
    """Make a folder below one that all can write to; see that it is no other user's, and no link that one laid there.

    Raises:
        PermissionError: It is.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        found = "is a link" if stat.S_ISLNK(status.st_mode) else "is a file"
    elif status.st_uid != os.getuid():
        found = "belongs to another user"
    elif status.st_mode & 0o077:
        found = f"has the mode {status.st_mode & 0o777:#o}"
    else:
        return folder
    raise PermissionError(
        f"DAR-219: {folder} {found}, expected a folder of your own of mode 0o700: set TMPDIR, the same for all your "
        "jobs on this machine"
    )


def _take(name: str, folder: Path) -> bool:
    """Lock a device; return whether it was free."""
    file = os.open(folder / f"{name.replace('/', '_')}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _held[name] = file
    return True
