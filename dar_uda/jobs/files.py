"""Outputs that are whole or absent, and never an input: write beside, then rename."""

import errno
import fcntl
import glob
import logging
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory, TemporaryFile

logger = logging.getLogger(__name__)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks say, such as Lustre mounted without `flock`."""
FULL = 2**20
"""Bytes free on a disk below which a failed write is taken for a full disk."""
FORGOTTEN = 24 * 3600
"""Seconds after which a temporary file is one that a killed process left behind."""
ABANDONED = 20.0
"""Seconds after which the mark of a process that changes a file is one that a killed process left behind."""
PAUSE = 0.01
"""Seconds between two looks at whether another process is done."""


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
            advice = "DAR-224: the disk is full: free some space and give the same command again"
            raise OSError(errno.ENOSPC, advice, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_not_read(outputs: Iterable[str | Path], inputs: Iterable[str | Path]) -> None:
    """See that no output is an input, under whatever spelling or link, and that none lies among the files of one.

    An output that lies directly in a folder that is read would be read with it the next time.

    Args:
        outputs: Files that a command writes, replaces or deletes.
        inputs: Files and folders that it was given to read.

    Raises:
        ValueError: One does; the message names both.
    """
    read: dict[object, Path] = {}
    folders: dict[object, Path] = {}
    for path in map(Path, inputs):
        read |= dict.fromkeys(_identities(path), path)
        if path.is_dir():
            folders |= dict.fromkeys(_identities(path), path)
            read |= {key: file for file in path.iterdir() for key in _identities(file)}
    for output in map(Path, outputs):
        if same := [read[key] for key in _identities(output) if key in read]:
            raise ValueError(f"DAR-308: {output} would replace {same[0]}, which is read: give another folder with -o")
        if around := [folders[key] for key in _identities(output.parent) if key in folders]:
            raise ValueError(
                f"DAR-308: {output} would lie among the files of {around[0]}, which are read: give another folder with "
                "-o"
            )


def _identities(path: Path) -> set[object]:
    """Return by what a file is known: its place, the place to which its links lead, and its number on the disk."""
    found: set[object] = {path.resolve(), path.parent.resolve() / path.name}
    with suppress(OSError):
        status = path.stat()
        found.add((status.st_dev, status.st_ino))
    return found


def folds_case(folder: str | Path) -> bool:
    """Return whether the disk of a folder, which can be written into, takes `A` and `a` for one name."""
    with NamedTemporaryFile(prefix=".partial-case-", dir=folder) as probe:
        return Path(folder, Path(probe.name).name.upper()).exists()


@contextmanager
def staging(folder: str | Path) -> Iterator[Path]:
    """Yield a new hidden folder within `folder`, to write what then moves there at once; it goes with the block."""
    for old in Path(folder).glob(".partial-dar-uda-*"):
        with suppress(OSError):
            if old.is_dir() and time.time() - old.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(old)
    with TemporaryDirectory(prefix=".partial-dar-uda-", dir=folder, ignore_cleanup_errors=True) as stage:
        yield Path(stage)


def place(staged: Path, path: Path) -> None:
    """Move a whole file to its name, also where its folder is a link to another disk."""
    try:
        staged.replace(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with write_beside(path) as partial:
            shutil.copyfile(staged, partial)


@contextmanager
def turn(path: str | Path) -> Iterator[None]:
    """Wait until no other process changes a file, and let none do so until the block ends.

    The mark is a file in the same folder, which only one process can make: this works where locks do not.
    """
    path = Path(path)
    mark = path.with_name(f".partial-turn-{path.name}")
    seen, since = None, 0.0
    while True:
        try:
            mark.touch(exist_ok=False)
            break
        except FileExistsError:
            with suppress(FileNotFoundError):
                status = mark.stat()
                if (status.st_ino, status.st_mtime_ns) != seen:
                    seen, since = (status.st_ino, status.st_mtime_ns), time.monotonic()
                elif time.monotonic() - since > ABANDONED:
                    mark.unlink()
            time.sleep(PAUSE)
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


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
        raise OSError(
            f"DAR-301: {folder}: nothing can be written there ({error.strerror}); give another folder"
        ) from error


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
                f"DAR-230: {path}: another process does this job, such as one whose Snakemake was killed; "
                "wait for it or end it, then give the same command again"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            logger.warning("%s: no locks on this file system; see that no other process does this job", path)
        yield


def _remove_forgotten(path: Path) -> None:
    for old in path.parent.glob(f".partial-*-{glob.escape(path.name)}"):
        with suppress(OSError):  # another process has removed it, or it is another user's
            if time.time() - old.stat().st_mtime > FORGOTTEN:
                old.unlink()
