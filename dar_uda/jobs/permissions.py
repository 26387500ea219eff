"""What is made of files can be read by no more users than the files."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def no_wider_than(origins: Iterable[str | Path], folder: str | Path) -> Iterator[None]:
    """Within the block, new files are closed to the group, and to others, that cannot read each of some files.

    Holds for all files that the process makes, from their first byte on: it changes the process's umask. Folders above
    a file close it too, but those that the new files lie in as well.

    Args:
        origins: Files, and folders whose files are read; what does not exist, or cannot be looked at, does not count.
        folder: Where the new files will lie, which may give them its group.
    """
    closed = _closed(origins, Path(folder))
    before = os.umask(0o077)
    os.umask(before | closed)
    try:
        yield
    finally:
        os.umask(before)


def _closed(origins: Iterable[str | Path], folder: Path) -> int:
    """Return the bits of a mode that a new file in a folder may not have."""
    group, around = _group_in(folder), {folder.resolve(), *folder.resolve().parents}
    files = {file.resolve() for origin in map(Path, origins) for file in _files_at(origin)}
    closed = 0
    for path in files | {above for file in files for above in file.parents if above not in around}:
        with suppress(OSError):
            closed |= _closed_by(path.stat(), group)
    return closed


def _files_at(origin: Path) -> list[Path]:
    with suppress(OSError):
        return list(origin.iterdir()) if origin.is_dir() else [origin]
    return []


def _closed_by(status: os.stat_result, group: int) -> int:
    """Return the bits that a file may not have whose origin is this file, or lies below this folder."""
    enters = stat.S_ISDIR(status.st_mode)
    others = status.st_mode & (stat.S_IXOTH if enters else stat.S_IROTH)
    members = status.st_mode & (stat.S_IXGRP if enters else stat.S_IRGRP) and (others or status.st_gid == group)
    return (0 if others else stat.S_IRWXO) | (0 if members else stat.S_IRWXG)


def _group_in(folder: Path) -> int:
    """Return the group that a new file in a folder gets, which may not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    status = there.stat()
    return status.st_gid if status.st_mode & stat.S_ISGID else os.getegid()
