"""Whether bfloat16 costs accuracy: mean Dice of `supervised` on the phantom, read from two finished runs.

snakemake --cores all --config 'seeds=[0,1,2]' methods=supervised precision=float32 run=float32
snakemake --cores all --config 'seeds=[0,1,2]' methods=supervised precision=bfloat16 run=bfloat16
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row
from dar_uda.evaluation.score import read_metrics


def rows() -> Iterator[Row]:
    """Yield the row of the difference; `literal` and `ours` are the two means."""
    found = {}
    for precision in ("float32", "bfloat16"):
        paths = sorted(Path(f"results/{precision}").glob("seed-*/metrics/*/supervised.tsv"))
        dices = [read_metrics(path)["dice"].mean() for path in paths]
        found[precision] = sum(dices) / len(dices) if len(dices) == 3 else None
    what = "phantom Dice, bfloat16 below float32, mean of 3 seeds"
    if None in found.values():
        yield Row(what, "Dice", None, None, 0.01, "needs two finished runs: see benchmarks/precision.py")
        return
    note = f"float32 {found['float32']:.4f}, bfloat16 {found['bfloat16']:.4f}"
    yield Row(what, "Dice", None, abs(found["float32"] - found["bfloat16"]), 0.01, note)
