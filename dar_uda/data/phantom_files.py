"""Which files of a cases table the workflow generates, and which of those on the disk it may write over."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dar_uda.jobs.provenance import checksums

FOLDER = "results/phantom/data"
"""Where generated volumes lie, from the working directory."""
MARK = "DAR-UDA phantom"
"""What the header of a generated file has as its description."""
DESCRIPTION = slice(148, 228)
"""Where a NIfTI header has it, in bytes."""
SUFFIXES = (".nii", ".nii.gz")


def path_in(folder: str, path: str) -> str:
    """Return a path that lies in a folder, under any spelling and through any link, as `folder/...`; others as is."""
    base, real = os.path.realpath(folder), os.path.realpath(path)
    return f"{folder}/{os.path.relpath(real, base)}" if real.startswith(base + os.sep) else path


def phantom_path(path: str) -> str:
    """Return the path of a generated file as the workflow names it; others as they are."""
    return path_in(FOLDER, path)


def is_phantom(path: str) -> bool:
    """Return whether a path, see `phantom_path`, names a file in `FOLDER`."""
    return path.startswith(f"{FOLDER}/")


def problems_of_phantoms(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield why the workflow cannot generate the files in `FOLDER` that rows of a cases table name.

    Args:
        rows: `case`, `image`, `label`, paths as `phantom_path` returns them.
    """
    generated = [row for row in rows if is_phantom(row["image"]) or is_phantom(row["label"])]
    files = [(row["case"], what, row[what]) for row in generated for what in ("image", "label") if row[what]]
    counts, made = Counter(path for _, _, path in files), _made_before() if files else {}
    for case, what, path in files:
        if not is_phantom(path):
            yield (
                f"DAR-020: case {case}: {what} {path} lies outside {FOLDER}, the other file of the case within, where "
                "the workflow writes generated volumes; expected both or neither there: copy your files elsewhere."
            )
        elif not path.endswith(SUFFIXES):
            yield (
                f"DAR-020: case {case}: {what} {path} lies in {FOLDER}; expected a name in .nii or .nii.gz to generate."
            )
        elif counts[path] > 1:
            yield (
                f"DAR-020: case {case}: {what} {path} is named {counts[path]} times; expected a file of its own to "
                "generate."
            )
        elif os.path.lexists(path) and not _is_generated(path, made):
            yield (
                f"DAR-020: case {case}: {what} {path} was not generated, and would be written over: {FOLDER} holds "
                "generated volumes alone. Move your file elsewhere."
            )


def _is_generated(path: str, made: Mapping[str, str]) -> bool:
    """Return whether the file says of itself that it is generated, or is as the job's provenance has it."""
    if not Path(path).is_file():
        return False
    if path in made and checksums([path])[path] == made[path]:
        return True
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            return file.read(DESCRIPTION.stop)[DESCRIPTION].rstrip(b"\0") == MARK.encode()
    except (OSError, EOFError):
        return False


def _made_before() -> dict[str, str]:
    """Return the checksums of the files that the last job wrote."""
    made: dict[str, str] = {}
    for provenance in Path(FOLDER).rglob("*.provenance.json"):
        try:
            made |= json.loads(provenance.read_text(encoding="utf-8"))["outputs"]
        except (ValueError, KeyError, TypeError, OSError):
            continue
    return made
