"""Masks and tables of chunks of cases, brought together."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dar_uda.jobs.files import write_beside


def gather_masks(folders: Sequence[str | Path], folder: str | Path) -> None:
    """Bring the masks of several folders, and their probabilities, into one that is new.

    Files are linked, so that they take their space once; where the disk has no such links they are copied.
    """
    for chunk in map(Path, folders):
        for file in sorted(chunk.rglob("*.nii.gz")):
            place = Path(folder) / file.relative_to(chunk)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place)
            except OSError:
                shutil.copyfile(file, place)


def gather_tables(tables: Sequence[str | Path], table: str | Path) -> None:
    """Write the rows of several tables with the same first line into one.

    Raises:
        ValueError: A table has another first line than the first.
    """
    head, rows = "", []
    for path in map(Path, tables):
        first, *others = path.read_text(encoding="utf-8").splitlines(keepends=True)
        head = head or first
        if first != head:
            raise ValueError(f"DAR-028: {path} begins with {first!r}, expected {head!r} as in {tables[0]}: delete both")
        rows += others
    with write_beside(table) as partial:
        partial.write_text("".join([head, *rows]), encoding="utf-8")
