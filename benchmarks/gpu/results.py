"""The rows of a run, one JSON object per line, appended as they come: a run that is killed keeps what it has."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

Row = dict[str, Any]
KEY = ("stage", "code", "card")
FINISHED = ("ok", "failed")
"""States of a task that the next run does not repeat."""
DISTURBS = ("error", "died", "hung")
"""States of a task that the next run does after the others."""
STATES = (*FINISHED, *DISTURBS, "ended", "no time")


def read_rows(path: str | Path) -> list[Row]:
    """Return the rows of a file; a last line that was cut off is left out."""
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def append_row(path: str | Path, row: Mapping[str, Any]) -> None:
    """Add a row and bring it to the disk."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, default=str) + "\n")
        file.flush()
        os.fsync(file.fileno())


def tasks_in(rows: Iterable[Row], states: Sequence[str] = STATES, *, stage: str, code: str, card: str) -> set[str]:
    """Return the tasks of a stage that have a row of one of the states, with this code on this card."""
    wanted = (stage, code, card)
    return {row["task"] for row in rows if tuple(row.get(k) for k in KEY) == wanted and row["state"] in states}
