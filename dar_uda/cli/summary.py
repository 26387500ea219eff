"""What a run says when it is done."""

import sys
from pathlib import Path

from dar_uda.plan.paths import Paths


def print_summary(paths: Paths) -> None:
    """Print the summary table, if the run has one, and note beside it what the jobs took."""
    from dar_uda.jobs.usage import tabulate_usage  # needs pandas, which takes half a second

    if any(file.is_file() for file in Path(paths.benchmarks).rglob("*")):
        tabulate_usage(paths.benchmarks, paths.usage)
    summary = Path(paths.table("summary", "md"))
    if summary.is_file():
        sys.stdout.write(summary.read_text(encoding="utf-8"))
