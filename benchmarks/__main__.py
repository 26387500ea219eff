"""All figures in one table: python -m benchmarks [name ...] writes results/benchmark.tsv and results/benchmark.md.

Names are those of the modules below; without one, all run.
"""

import platform
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import torch

from benchmarks.alone import as_text, rows_of
from benchmarks.measure import Row, interleaved

MODULES = (
    "segmenter",
    "peers",
    "precision",
    "translator",
    "optimizer",
    "evaluation",
    "loading",
    "inference",
    "preprocessing",
    "predict",
    "planning",
    "growth",
    "scheduling",
    "demo_overhead",
)
FOLDER, MATRIX = Path("results"), 4096


def main(names: list[str]) -> None:
    head, rows = machine(), []
    for name in names or MODULES:
        # A process each: none begins with the memory of the one before.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            rows += alone.submit(rows_of, name).result()
        text = write(rows, FOLDER, head)
    print(text)


def write(rows: list[Row], folder: Path, head: str) -> str:
    """Write the table as TSV and as Markdown below `head`; return the latter."""
    table = pd.DataFrame(
        [(r.what, r.unit, r.literal, r.ours, r.ratio, r.goal, r.met, r.note) for r in rows],
        columns=["what", "unit", "literal", "ours", "ratio", "goal", "met", "note"],
    )
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "benchmark.tsv", sep="\t", index=False, float_format="%.4g")
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
    for row in table.astype(object).itertuples(index=False):
        lines.append("| " + " | ".join(as_text(cell) for cell in row) + " |")
    text = "\n".join([head, "", *lines, ""])
    (folder / "benchmark.md").write_text(text, encoding="utf-8")
    return text


def machine() -> str:
    """Return processor, threads, what it reaches in matrix products, and versions, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    packages = ", ".join(versions("torch", "snakemake", "monai", "medpy"))
    rates = [f"{matmul_rate(dtype):.0f} GFLOP/s in {str(dtype)[6:]}" for dtype in (torch.float32, torch.bfloat16)]
    where = f"{model}, {torch.get_num_threads()} threads; matrix products: {', '.join(rates)}"
    return f"{where}; Python {platform.python_version()}, {packages}"


def versions(*names: str) -> Iterator[str]:
    """Yield each package that is installed, with its version."""
    for name in names:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def matmul_rate(dtype: torch.dtype) -> float:
    """Return the GFLOP/s of a large matrix product, median of 5: what convolutions could reach at best."""
    matrix = torch.randn(MATRIX, MATRIX).to(dtype)
    seconds = interleaved({"product": lambda: matrix @ matrix})["product"]
    return 2 * MATRIX**3 / statistics.median(seconds) / 1e9


if __name__ == "__main__":
    main(sys.argv[1:])
