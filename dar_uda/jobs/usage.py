"""Time and memory of a run's jobs, from the files that Snakemake's `benchmark:` and `recorded` write."""

from pathlib import Path

import pandas as pd

from dar_uda.jobs.files import write_beside

MIB_COLUMN = "max_rss"


def read_usage(benchmarks: str | Path) -> pd.DataFrame:
    """Return `jobs seconds longest_seconds peak_mib` by rule, the rule that took longest first.

    Args:
        benchmarks: Folder `{rule}/**/*.tsv`, or `{rule}.tsv`, with, among other columns, `s` in seconds, `max_rss` in
            MiB ("-" for jobs too short to measure).
    """
    folder = Path(benchmarks)
    files = sorted(folder.rglob("*.tsv"))
    jobs = [
        pd.read_csv(path, sep="\t", na_values=["-"], usecols=["s", MIB_COLUMN]).assign(
            rule=path.relative_to(folder).parts[0].removesuffix(".tsv")
        )
        for path in files
    ]
    rules = pd.concat([pd.DataFrame(columns=["s", MIB_COLUMN, "rule"], dtype=float), *jobs]).groupby("rule")
    table = rules.agg(
        jobs=("s", "size"), seconds=("s", "sum"), longest_seconds=("s", "max"), peak_mib=(MIB_COLUMN, "max")
    )
    return table.sort_values("seconds", ascending=False)


def tabulate_usage(benchmarks: str | Path, table: str | Path) -> None:
    """Write what the jobs of each rule took, `rule jobs seconds longest_seconds peak_mib`; see `read_usage`."""
    with write_beside(table) as partial:
        read_usage(benchmarks).to_csv(partial, sep="\t", float_format="%.1f")
