"""What a source file imports, and a digest of its code; kept beside Snakemake's records, since parsing takes long."""

import ast
import atexit
import hashlib
import json
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dar_uda.jobs.files import write_beside

KEPT = Path(".snakemake/dar_uda/source_files.json")
"""From the working directory. A file that the disk has not changed since is not parsed again."""

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SETTLED = 10**9
"""Nanoseconds after which a second change of a file has another date."""


class Facts(NamedTuple):
    """What is known of a source file.

    Attributes:
        digest: Of its code, without comments, docstrings and layout.
        imports: `(module, "")` for `import module`, `(module, name)` for `from module import name`; leading dots stay.
    """

    digest: str
    imports: list[list[str]]


def facts_of(file: Path) -> Facts:
    """Return the facts of a source file."""
    state = file.stat()
    if time.time_ns() - state.st_mtime_ns < SETTLED:
        return _parsed(file)
    kept, key = _kept(), f"{file} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
    if key not in kept:
        kept[key] = _parsed(file)
    return Facts(*kept[key])


@cache
def _kept() -> dict[str, Facts]:
    """Return what earlier processes found, and keep what this one finds when it ends."""
    reader = f"{sys.version} {Path(__file__).stat().st_mtime_ns}"
    found: dict[str, dict[str, Facts]] = {}
    with suppress(OSError, ValueError, TypeError):
        found = dict(json.loads(KEPT.read_text(encoding="utf-8")))
    kept = found.get(reader, {})
    atexit.register(_keep, KEPT.absolute(), reader, kept, len(kept))
    return kept


def _keep(path: Path, reader: str, kept: dict[str, Facts], before: int) -> None:
    if len(kept) > before and path.parents[1].is_dir():  # else nothing is new, or Snakemake keeps no records here
        with suppress(OSError), write_beside(path) as partial:
            partial.write_text(json.dumps({reader: kept}), encoding="utf-8")


def _parsed(file: Path) -> Facts:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    imports: list[list[str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [[alias.name, ""] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports += [["." * node.level + (node.module or ""), alias.name] for alias in node.names]
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return Facts(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports)
