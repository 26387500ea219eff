"""What is made of files can be read by no more users than the files."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READ_BY_GROUP, ENTERED_BY_GROUP = stat.S_IRGRP, stat.S_IXGRP
READ_BY_OTHERS, ENTERED_BY_OTHERS = stat.S_IROTH, stat.S_IXOTH


@contextmanager
def no_wider_than(origins: Iterable[str | Path], folder: str | Path) -> Iterator[None]:
    """Within the block, new files are closed to the group, and to others, that cannot read each of some files.

    Holds for all files that the process makes, from their first byte on: it changes the process's umask.

    Args:
        origins: Files, and folders whose files are read; what does not exist does not count.
        folder: Where the new files will lie, which may give them its group.
    """
    before = os.umask(0o077)
    os.umask(before | _closed(origins, _group_in(Path(folder))))
    try:
        yield
    finally:
        os.umask(before)


def _closed(origins: Iterable[str | Path], group: int) -> int:
    """Return the bits of a mode that a file of a group may not have."""
    closed = 0
    for origin in map(Path, origins):
        for file in origin.iterdir() if origin.is_dir() else [origin]:
            with suppress(FileNotFoundError):
                status, above = file.stat(), file.parent.stat().st_mode
                others = status.st_mode & READ_BY_OTHERS and above & ENTERED_BY_OTHERS
                members = status.st_mode & READ_BY_GROUP and (
                    others or (status.st_gid == group and above & ENTERED_BY_GROUP)
                )
                closed |= (0 if others else stat.S_IRWXO) | (0 if members else stat.S_IRWXG)
    return closed


def _group_in(folder: Path) -> int:
    """Return the group that a new file in a folder gets, which may not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    status = there.stat()
    return status.st_gid if status.st_mode & stat.S_ISGID else os.getegid()
