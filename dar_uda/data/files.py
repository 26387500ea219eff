"""Outputs that are whole or absent: write beside, then rename."""

import errno
import fcntl
import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

logger = logging.getLogger(__name__)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks say, such as Lustre mounted without `flock`."""
FULL = 2**20
"""Bytes free on a disk below which a failed write is taken for a full disk."""
FORGOTTEN = 24 * 3600
"""Seconds after which a temporary file is one that a killed process left behind."""


@contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` when the block ends without an error.

    The temporary name is nobody else's and keeps every suffix (`.nii.gz`), because writers choose the format by it.

    Raises:
        OSError: Anything went wrong in the block and the disk is full; what writers say of that differs.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_forgotten(path)
    temporary = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except Exception as error:
        if shutil.disk_usage(path.parent).free < FULL:
            advice = "the disk is full: free some space and give the same command again"
            raise OSError(errno.ENOSPC, advice, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: str | Path) -> None:
    """Make a folder where there is none, and see that files can be written into it.

    Raises:
        OSError: They cannot.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder}: nothing can be written there ({error.strerror}); give another folder") from error


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock of a file, made where there is none, until the block or the process ends, even by kill -9.

    Raises:
        RuntimeError: Another process holds it.
    """
    with Path(path).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{path}: another process does this job, such as one whose Snakemake was killed; "
                "wait for it or end it, then give the same command again"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            logger.warning("%s: no locks on this file system; see that no other process does this job", path)
        yield


def _remove_forgotten(path: Path) -> None:
    for old in path.parent.glob(f".partial-*-{path.name}"):
        if time.time() - old.stat().st_mtime > FORGOTTEN:
            old.unlink(missing_ok=True)
