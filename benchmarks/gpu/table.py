"""The GPU table of the documents, from the rows of a run: python -m benchmarks.gpu.table results.jsonl."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.alone import as_text
from benchmarks.gpu.results import Row, read_rows
from benchmarks.gpu.rows import FIGURES, row_of

DOCUMENTS = (Path("docs/performance.md"), Path("benchmarks/README.md"))
BEGIN, END = "<!-- GPU table: python -m benchmarks.gpu.table -->", "<!-- end of the GPU table -->"
COLUMNS = ("what", "unit", "literal", "ours", "ratio", "goal", "met", "share of floor")
MISSING = "not measured"


def gpu_table(rows: Iterable[Row]) -> str:
    """Return card, driver, versions and the Markdown table of all figures; what no row has is not measured."""
    rows = [row for row in rows if row["state"] == "ok"]
    versions, ceilings = _last(rows, "versions"), _last(rows, "ceilings")
    found: dict[str, Any] = {}
    for row in rows:
        found |= row.get("figures", {})
    lines = [_head(versions), "", f"| {' | '.join(COLUMNS)} |", "|---" * 2 + "|--:" * (len(COLUMNS) - 2) + "|"]
    for name in FIGURES:
        cells = _cells(name, found.get(name), ceilings)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def fraction_of_floor(name: str, found: Mapping[str, Any], ceilings: Mapping[str, Any] | None) -> float | None:
    """Return the seconds that the card needs at least, for its products or its bytes, over those that ours take.

    Args:
        found: With `flop`, the floating-point operations.
        ceilings: `bfloat16_tflops` and `copy_tbps`, as stage `machine` measures them.
    """
    if not ceilings or not found.get("ours") or "flop" not in found:
        return None
    products = found["flop"] / 1e12 / ceilings["bfloat16_tflops"]
    bytes_ = (FIGURES[name].gbytes or 0) / 1e3 / ceilings["copy_tbps"]
    return max(products, bytes_) / found["ours"]


def fill(document: Path, table: str) -> None:
    """Put the table between the two marks of a document.

    Raises:
        ValueError: It has no such marks.
    """
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document}: expected a line {BEGIN} and, below, {END}; found no such pair")
    document.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _last(rows: Sequence[Row], task: str) -> Row | None:
    return next((row for row in reversed(rows) if row["task"] == task), None)


def _head(versions: Mapping[str, Any] | None) -> str:
    if versions is None:
        return f"Card: {MISSING}. Driver: {MISSING}. Versions: {MISSING}."
    names = f"torch {versions['torch']}, CUDA {versions['cuda']}, cuDNN {versions['cudnn']}"
    return f"Card: {versions['card']}. Driver: {versions['driver']}. Versions: Python {versions['python']}, {names}."


def _cells(name: str, found: Mapping[str, Any] | None, ceilings: Mapping[str, Any] | None) -> list[str]:
    row = row_of(name, found)
    share = fraction_of_floor(name, found, ceilings) if found else None
    measured = [row.literal, row.ours, row.ratio]
    met = row.met if row.goal is not None else ("" if found else MISSING)
    cells = [as_text(value) or ("" if found else MISSING) for value in measured]
    return [row.what, row.unit, *cells, as_text(row.goal), met, as_text(share) or ("" if found else MISSING)]


def main(paths: Sequence[str]) -> None:
    table = gpu_table([row for path in paths for row in read_rows(path)])
    for document in DOCUMENTS:
        fill(document, table)
    print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
