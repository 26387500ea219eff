"""Scans as a user names them: a volume file, a folder of one DICOM series, or a folder of volume files."""

import logging
from pathlib import Path

from dar_uda.data.volume import ITK_SUFFIXES

logger = logging.getLogger(__name__)
SUFFIXES = (".nii.gz", ".nii", ".hdr", *ITK_SUFFIXES)


def scans_of(path: Path) -> list[Path]:
    """Return the volume files of a folder; the path itself where it has none: a file, or a DICOM series."""
    files = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES)) if path.is_dir() else []
    for folder in sorted(file for file in path.iterdir() if file.is_dir()) if files else []:
        logger.warning("Not read: %s, a folder in a folder of volume files; give it by itself", folder)
    return files or [path]


def name_of(scan: Path) -> str:
    """Return a scan's name without the suffix of its kind."""
    suffix = next((suffix for suffix in SUFFIXES if scan.name.endswith(suffix)), "")
    return scan.absolute().name.removesuffix(suffix)
