"""The rows of one module, in a process of its own."""

import importlib
import logging

import torch

from benchmarks.measure import Row
from dar_uda.jobs.cores import usable_cores


def rows_of(name: str) -> list[Row]:
    """Return the rows of a module of this folder, each printed as soon as it is there."""
    logging.getLogger("dar_uda").setLevel(logging.WARNING)
    torch.set_num_threads(usable_cores())
    print(f"{name} ...", flush=True)
    rows = []
    for row in importlib.import_module(f"benchmarks.{name}").rows():
        print(f"  {row.what}: {as_text(row.ours)} {row.unit}, ratio {as_text(row.ratio)}, met: {row.met}", flush=True)
        rows.append(row)
    return rows


def as_text(cell: object) -> str:
    """Return a table's cell: numbers with three digits, nothing for what is missing."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, float):
        return f"{cell:.3g}" if cell < 1000 else f"{cell:.0f}"
    return str(cell)
