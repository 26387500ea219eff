"""How a project grows with its cases: jobs, files, planning of everything, and planning when everything is done."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Row
from benchmarks.planning import Plan, finish_project, plan, write_cases

CASES = (100, 1000, 10000)
TOTAL = re.compile(r"^total\s+(\d+)$", re.MULTILINE)


def rows() -> Iterator[Row]:
    """Yield jobs and files of projects of 100, 1,000 and 10,000 cases, and seconds and memory of their plans."""
    for cases in CASES:
        with TemporaryDirectory(prefix="growth-") as folder:
            fresh, done = Path(folder) / "fresh", Path(folder) / "done"
            fresh.mkdir()
            write_cases(fresh, cases)
            first, text = plan(fresh)
            yield Row(f"jobs, {cases} cases", "jobs", None, int(TOTAL.search(text)[1]), None, "")
            yield _row(f"snakemake -n, everything to do, {cases} cases", first)
            start = time.perf_counter()
            finish_project(done, cases)
            touched = time.perf_counter() - start
            files = sum(path.is_file() for path in (done / "results").rglob("*"))
            records = [path for path in (done / ".snakemake" / "metadata").iterdir() if path.is_file()]
            size = sum(path.stat().st_size for path in records) / 2**20
            note = f"{size:.3g} MiB of Snakemake's records; touched in {touched:.0f} s"
            yield Row(f"outputs, {cases} cases", "files", None, files, None, note)
            yield _row(f"snakemake -n, nothing to do, {cases} cases", plan(done)[0])


def _row(what: str, seen: Plan) -> Row:
    return Row(what, "s", None, seen.seconds, None, f"peak {seen.peak_mib:.0f} MiB")
