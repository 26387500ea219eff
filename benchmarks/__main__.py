"""All figures in one table: python -m benchmarks [name ...] writes results/benchmark.tsv and results/benchmark.md.

Names are those of the modules below; without one, all run.
"""

import importlib
import logging
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

from benchmarks.measure import Row, matmul_rate

MODULES = (
    "segmenter",
    "precision",
    "translator",
    "optimizer",
    "evaluation",
    "loading",
    "inference",
    "preprocessing",
    "planning",
    "demo_overhead",
)
FOLDER = Path("results")


def main(names: list[str]) -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    rows = []
    for name in names or MODULES:
        print(f"{name} ...", flush=True)
        for row in importlib.import_module(f"benchmarks.{name}").rows():
            print(f"  {row.what}: {_text(row.ours)} {row.unit}, ratio {_text(row.ratio)}, met: {row.met}", flush=True)
            rows.append(row)
    write(rows, FOLDER)


def write(rows: list[Row], folder: Path) -> None:
    """Write the table as TSV and, with the machine and the versions, as Markdown."""
    table = pd.DataFrame(
        [(r.what, r.unit, r.literal, r.ours, r.ratio, r.goal, r.met, r.note) for r in rows],
        columns=["what", "unit", "literal", "ours", "ratio", "goal", "met", "note"],
    )
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "benchmark.tsv", sep="\t", index=False, float_format="%.4g")
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
    for row in table.astype(object).itertuples(index=False):
        lines.append("| " + " | ".join(_text(cell) for cell in row) + " |")
    text = "\n".join([machine(), "", *lines, ""])
    (folder / "benchmark.md").write_text(text)
    print(text)


def machine() -> str:
    """Return processor, threads, what it reaches in matrix products, and versions, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "snakemake", "monai", "medpy"))
    rates = [f"{matmul_rate(dtype):.0f} GFLOP/s in {str(dtype)[6:]}" for dtype in (torch.float32, torch.bfloat16)]
    where = f"{model}, {torch.get_num_threads()} threads; matrix products: {', '.join(rates)}"
    return f"{where}; Python {platform.python_version()}, {packages}"


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    return (
        f"{cell:.3g}"
        if isinstance(cell, float) and cell < 1000
        else f"{cell:.0f}"
        if isinstance(cell, float)
        else str(cell)
    )


logging.getLogger("dar_uda").setLevel(logging.WARNING)
if __name__ == "__main__":
    main(sys.argv[1:])
