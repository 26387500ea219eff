"""Scans as a user names them: a volume file, a folder of one DICOM series, or a folder of volume files."""

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from dar_uda.data.contents import is_dicom
from dar_uda.data.volume import ITK_SUFFIXES

logger = logging.getLogger(__name__)
SUFFIXES = (".nii.gz", ".nii", ".hdr", *ITK_SUFFIXES)
"""In lower case; files may have them in any."""


def images_in(path: Path) -> list[Path]:
    """Return the volume files of a folder; the path itself where it has none: a file, or a DICOM series."""
    shown = _shown(path) if path.is_dir() else []
    files = _volume_files(shown)
    for folder in sorted(file for file in shown if file.is_dir()) if files else []:
        logger.warning("DAR-310: Not read: %s, a folder in a folder of volume files; give it by itself", folder)
    if files and (slices := sum(map(_is_dicom, set(shown) - set(files)))):
        logger.warning(
            "DAR-310: Not read: %d DICOM files in %s, which holds the volume file %s: of such a folder only volume "
            "files are scans; move those out to have the series read",
            *(slices, path, files[0].name),
        )
    return files or [path]


def volume_files(folder: Path) -> list[Path]:
    """Return the volume files of a folder, of which each is a volume by itself, in the order of their names."""
    return _volume_files(_shown(folder))


def given_images(given: Sequence[str | Path]) -> list[Path]:
    """Return the scans of all paths given, each once: a file may be given by itself and with its folder."""
    once: dict[Path, Path] = {}
    for scan in [scan for path in given for scan in images_in(Path(path))]:
        place = scan.parent.resolve() / scan.name if scan.name not in ("", "..") else scan.resolve()
        once.setdefault(place, scan)
    return list(once.values())


def name_of(scan: Path, folders: int = 0) -> str:
    """Return a scan's name without the suffix of its kind, after the names of as many of its folders."""
    scan = _absolute(scan)
    suffix = next((suffix for suffix in SUFFIXES if scan.name.lower().endswith(suffix)), "")
    name = scan.name[: len(scan.name) - len(suffix)] or scan.name
    return "_".join([*(scan.parent.parts[1:][-folders:] if folders else ()), name])


def names_apart(scans: Sequence[Path], one_case: bool = False) -> list[str]:
    """Return a name for each scan: its own, or with those of its folders where several share it: `p1_t2`, `p2_t2`.

    Args:
        one_case: Names that differ in upper and lower case alone are one.

    Raises:
        ValueError: The folders' names do not tell scans apart, such as a.nii and a.mha of one folder.
    """
    folders = [0] * len(scans)
    while True:
        names = [name_of(scan, number) for scan, number in zip(scans, folders, strict=True)]
        keys = [unicodedata.normalize("NFC", name).casefold() if one_case else name for name in names]
        alike = Counter(keys)
        shared = [index for index, key in enumerate(keys) if alike[key] > 1]
        if not shared:
            return names
        deeper = [index for index in shared if folders[index] < len(_absolute(scans[index]).parts) - 2]
        if not deeper:
            files = ", ".join(str(scans[index]) for index in shared)
            raise ValueError(
                f"DAR-307: several scans are called {names[shared[0]]}: {files}; give them apart, each its own -o"
            )
        for index in deeper:
            folders[index] += 1


def _shown(folder: Path) -> list[Path]:
    """Return what a folder holds but for hidden files, such as `._a.nii.gz`, which macOS writes for `a.nii.gz`."""
    return [file for file in folder.iterdir() if file.name[0] != "."]


def _volume_files(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if file.name.lower().endswith(SUFFIXES) and not file.is_dir())


def _is_dicom(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and is_dicom(path)
    return False


def _absolute(path: Path) -> Path:
    """Return a path without `..`, its links as they are: they have the names that the user knows."""
    return Path(os.path.normpath(path.absolute()))
