"""The cases table: which files are the cases of which domain and split."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from dar_uda.data.patients import problems_of_split
from dar_uda.data.splits import GROUPS

COLUMNS = ("case", "domain", "image", "label", "split", "patient")
REQUIRED = COLUMNS[:5]
"""All but `patient`, which a table may leave out."""
NOTHING = ("-", "na", "n/a", "none")
"""What people write, in either case, where a cell should be empty."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
DOMAIN = re.compile(r"[A-Za-z0-9]{1,40}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line separators, and those that turn the direction of text around."""
PLACEHOLDER = re.compile(r"\{\s*[.\w]+\s*(,[^{}]*)?\}|<[a-z][a-z0-9_]*>")
"""What Snakemake replaces in the path of an input: {wildcard}, {wildcard,regex}, <pathvar>."""
NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
"""How Python spells the bytes of a file name that is not UTF-8."""
LONGEST_NAME, LONGEST_PATH = 255, 4095
"""Bytes that Linux allows."""
LONGEST_PATIENT = 100
"""Characters."""
Row = dict[str, str]


def read_cases_table(table: str | Path) -> list[Row]:
    """Return the rows of a cases table, see `read_rows`.

    Raises:
        ValueError: All that is wrong with the table, by line.
    """
    rows, problems = read_rows(table)
    if problems:
        raise ValueError("\n  ".join([f"Cases table {table}:", *problems]))
    return rows


def read_rows(
    table: str | Path, problems_of_row: Callable[[Row], Iterator[str]] = lambda _: iter(())
) -> tuple[list[Row], list[str]]:
    """Return the rows of a cases table, paths as they are written; and what is wrong.

    Keys are `case domain image label split` and `patient`, which is "" where the table does not name one.
    A byte order mark, Windows line ends, empty lines, spaces around cells and further columns do no harm.

    Args:
        problems_of_row: Yields what the caller finds wrong with a row that is well written.

    Raises:
        ValueError: It is no such table at all.
    """
    rows, problems = [], []
    for line, cells in _cells_of(Path(table)):
        row = {name: cells.get(name) or "" for name in COLUMNS}
        found = list(_problems_of_row(row, cells)) or problems_of_row(row)
        problems += [f"line {line}: {problem}" for problem in found]
        rows.append(row)
    for (domain, case), count in Counter((row["domain"], row["case"]) for row in rows).items():
        if count > 1:
            problems.append(
                f"DAR-023: case {case} of domain {domain} stands {count} times; expected once, with split "
                "train, test or both"
            )
    problems += problems_of_split(rows)
    if not rows:
        problems.append("DAR-004: it has no case")
    return rows, problems


def further_columns(table: str | Path) -> list[str]:
    """Return the columns of a table that say nothing to this tool."""
    header = _text_of(Path(table)).partition("\n")[0]
    return [name.strip() for name in header.split("\t") if name.strip() not in COLUMNS]


def _cells_of(table: Path) -> Iterator[tuple[int, dict]]:
    """Yield line number and cells by column; what a row has beyond the columns stands under None."""
    reader = csv.DictReader(io.StringIO(_text_of(table), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    if missing := [name for name in REQUIRED if name not in reader.fieldnames]:
        raise ValueError(
            f"DAR-005: Cases table {table} has the columns {', '.join(reader.fieldnames)}; expected "
            f"{', '.join(REQUIRED)}, separated by tabs: {', '.join(missing)} is missing"
        )
    if other := [name for name in reader.fieldnames if name not in COLUMNS and name.lower() in COLUMNS]:
        raise ValueError(
            f"DAR-005: Cases table {table} has the column {other[0]}, which is not read; expected {other[0].lower()}, "
            "in small letters"
        )
    if double := [name for name, count in Counter(reader.fieldnames).items() if count > 1]:
        raise ValueError(
            f"DAR-005: Cases table {table} has more than one column {', '.join(double)}; expected each once"
        )
    for cells in reader:
        stripped = {name: cell.strip() if isinstance(cell, str) else cell for name, cell in cells.items()}
        if any(stripped.values()):
            yield reader.line_num, stripped


def _text_of(table: Path) -> str:
    if not table.is_file():
        raise FileNotFoundError(f"DAR-018: Cases table {table}: no such file; `dar-uda cases` writes one")
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"DAR-006: Cases table {table} is no UTF-8 text (byte {error.start}): save it as UTF-8; "
            f"if a file on the disk has the name in line {line}, rename the file"
        ) from error
    if "\x00" in text:
        raise ValueError(f"DAR-006: Cases table {table} holds zero bytes, as UTF-16 does: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _problems_of_row(row: Row, cells: dict) -> Iterator[str]:
    if None in cells or None in cells.values():
        yield "DAR-004: it has more or fewer cells than the table has columns; expected one tab between two cells"
    if not NAME.fullmatch(row["case"]) or ".." in row["case"]:
        yield (
            f"DAR-004: case {row['case'][:60]!r}; expected up to 100 letters, digits, '_', '.', '-', "
            "a letter or digit first, no two dots side by side"
        )
    if not DOMAIN.fullmatch(row["domain"]):
        yield f"DAR-004: domain {row['domain'][:60]!r}; expected letters and digits"
    if not row["image"]:
        yield "DAR-004: no image; expected a volume file or a DICOM folder"
    if row["label"].lower() in NOTHING:
        yield f"DAR-004: label {row['label']!r}; expected a path: leave the cell empty where there is no label"
    if row["patient"].lower() in NOTHING:
        yield (
            f"DAR-004: patient {row['patient']!r}; expected a name: leave the cell empty where a patient has one scan"
        )
    if CONTROL.search(row["patient"]) or len(row["patient"]) > LONGEST_PATIENT:
        yield (
            f"DAR-004: patient {row['patient'][:60]!r}; expected up to {LONGEST_PATIENT} characters, none of them a "
            "control character"
        )
    for what in ("image", "label"):
        for problem in problems_of_path(row[what]):
            yield f"{what} {row[what][:200]!r} {problem}"
    if row["split"] not in GROUPS:
        yield f"DAR-004: split {row['split'][:60]!r}; expected train, test or both"


def refusal_of(row: Row) -> str | None:
    """Return why a table cannot hold a row; None where it can."""
    return next(_problems_of_row(row, dict(row)), None)


def problems_of_path(path: str) -> Iterator[str]:
    """Yield why a run cannot take a path from a cases table, whatever lies there: words that follow the path."""
    if NOT_UTF8.search(path):
        yield "is not UTF-8: rename the file or folder (DAR-008)"
        return
    if CONTROL.search(path):
        yield "holds control characters: rename the file or folder (DAR-008)"
    if path != path.strip():
        yield "begins or ends with a space, which a table does not keep: rename the file or folder (DAR-008)"
    if placeholder := PLACEHOLDER.search(path):
        yield (
            f"holds {placeholder[0]}, which Snakemake replaces: rename the file or folder, "
            "or name a link to it (ln -s) without such brackets (DAR-007)"
        )
    longest = max(len(name.encode()) for name in path.split("/"))
    if longest > LONGEST_NAME or len(path.encode()) > LONGEST_PATH:
        yield (
            f"is too long: a name of {longest} bytes in a path of {len(path.encode())} bytes; "
            f"expected up to {LONGEST_NAME} and {LONGEST_PATH} (DAR-008)"
        )
