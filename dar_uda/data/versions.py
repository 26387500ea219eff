"""The versions of the user's images and labels: texts that change when what a run reads of them does.

A plan compares versions, and it takes too long to read every scan for that. So the first version of a scan comes from
names, sizes and dates alone. The first job that reads the scan notes a checksum of its content, and its state: sizes,
dates, and when the disk last changed anything of its files, which no program can set. A later plan compares states.
If the state differs, it reads the scan once: the same content keeps its version, another content has another version,
however old its date is. Inodes would say no more, and change by themselves on some network disks.
"""

import fcntl
import hashlib
import logging
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dar_uda.data.companions import companions
from dar_uda.data.phantom_files import is_phantom
from dar_uda.data.slice_names import is_png, may_be_slice
from dar_uda.data.volume_index import file_of
from dar_uda.jobs.provenance import checksums

logger = logging.getLogger(__name__)
COLUMNS = ("path", "state", "checksum", "version")
PAIRED = {".img": ".hdr", ".img.gz": ".hdr.gz", ".hdr.gz": ".img.gz"}
"""The other file of a NIfTI pair of which this one is named; `companions` knows that of a `.hdr`."""
PAIRED |= {one.upper(): other.upper() for one, other in PAIRED.items()}


class Versions:
    """The versions of images and labels, by a table of what has been read: a row for each state of each on the disk.

    Several processes may add rows at a time. The table may be lost: versions are then what folders say.

    Args:
        table: A text file, TSV, see COLUMNS; it need not exist.
    """

    def __init__(self, table: str | Path):
        self._table = Path(table)
        self._known: dict[str, dict[str, str]] | None = None
        self._versions: dict[tuple[str, bool], str] = {}
        self._reading = False

    def of(self, images: Iterable[str] = (), labels: Iterable[str] = ()) -> str:
        """Return the version of all these files and folders together; empty where there are none.

        As long as this object lives, that of each stays the same. Generated files do not count: they are outputs.
        """
        every = [*((path, False) for path in images), *((path, True) for path in labels)]
        given = [(path, is_label) for path, is_label in every if not is_phantom(path)]
        return _short(self._version(*one) for one in given) if given else ""

    def note(self, path: str, is_label: bool = False) -> str:
        """Read an image or a label, unless it lies there as it was read before; return its version.

        Raises:
            OSError: A file cannot be read.
        """
        state, dates = _look(path, is_label)
        row = _row(path, is_label)
        known = self._rows.setdefault(row, {})
        if state not in known:
            checksum = _checksum(path, is_label)
            version = known.get(checksum, checksum if known else dates)
            if _look(path, is_label)[0] != state:  # it changes at this moment
                return version
            known |= {state: version, checksum: version}
            self._add(row, state, checksum, version)
        return known[state]

    @property
    def _rows(self) -> dict[str, dict[str, str]]:
        """For each path the version by state and by checksum."""
        if self._known is None:
            self._known = _read(self._table)
        return self._known

    def _version(self, path: str, is_label: bool) -> str:
        if (path, is_label) not in self._versions:
            self._versions[path, is_label] = self._compare(path, is_label)
        return self._versions[path, is_label]

    def _compare(self, path: str, is_label: bool) -> str:
        """Return the version of what lies there now; read it only if it was read before and does not lie as it did."""
        try:
            state, dates = _look(path, is_label)
        except OSError:  # such as a link to a file that is not there: the job says so
            return ""
        known = self._rows.get(_row(path, is_label), {})
        if not known or state in known:
            return known.get(state, dates)
        if not self._reading:
            logger.warning("Reading scans and labels that were touched, copied or changed: %s, ...", path)
            self._reading = True
        try:
            return self.note(path, is_label)
        except OSError:
            return dates

    def _add(self, *row: str) -> None:
        with suppress(OSError), self._table.open("a", encoding="utf-8") as file:  # a disk that cannot be written
            with suppress(OSError):  # a disk without locks: two processes that begin the table may each write a header
                fcntl.flock(file, fcntl.LOCK_EX)
            header = [COLUMNS] if file.seek(0, os.SEEK_END) == 0 else []
            file.write("".join("\t".join(cells) + "\n" for cells in (*header, row)))


def _row(path: str, is_label: bool) -> str:
    """Return what the table has as path: a folder may hold the slices of an image and those of its label."""
    return f"{path}/*.png" if is_label and os.path.isdir(path) else path  # noqa: PTH112


def files_of(path: str, is_label: bool = False) -> list[str]:
    """Return the files that are read for an image or a label, by name: of a folder the slices."""
    path = file_of(path)
    if not os.path.isdir(path):  # noqa: PTH112 (thousands of folders of hundreds of files: as strings)
        others = (path.removesuffix(suffix) + other for suffix, other in PAIRED.items() if path.endswith(suffix))
        return [path, *map(str, companions(path)), *filter(os.path.exists, others)]
    is_read = is_png if is_label else may_be_slice
    with os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if is_read(entry.name))


def _look(path: str, is_label: bool) -> tuple[str, str]:
    """Return the state of an image or label on the disk, without reading it, and the part that a copy can keep."""
    dates, changes = [], []
    for file in files_of(path, is_label):
        status = os.stat(file)  # noqa: PTH116
        if not stat.S_ISDIR(status.st_mode):
            dates.append(f"{os.path.basename(file)} {status.st_size} {status.st_mtime_ns}")  # noqa: PTH119
            changes.append(str(status.st_ctime_ns))
    return _short([*dates, *changes]), _short(dates)


def _checksum(path: str, is_label: bool) -> str:
    """Return the checksum of all files that are read for an image or label, with their names."""
    files = [file for file in files_of(path, is_label) if not Path(file).is_dir()]
    lines = (f"{Path(file).name} {checksum}" for file, checksum in checksums(files).items())
    return hashlib.blake2b("\n".join(lines).encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _short(lines: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(errors="surrogateescape"), digest_size=8).hexdigest()


def _read(table: Path) -> dict[str, dict[str, str]]:
    """Return the versions of a table by path, and by state and checksum."""
    known: dict[str, dict[str, str]] = {}
    with suppress(OSError):
        for line in table.read_text(encoding="utf-8", errors="replace").split("\n")[1:-1]:
            cells = line.split("\t")
            if len(cells) == len(COLUMNS):  # else a process was killed while it wrote
                path, state, checksum, version = cells
                known.setdefault(path, {}).update({state: version, checksum: version})
    return known
