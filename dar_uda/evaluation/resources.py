"""Time and memory of a run's jobs, from the files that Snakemake's `benchmark:` and `recorded` write."""

from pathlib import Path

import pandas as pd

from dar_uda.data.files import write_beside

MIB_COLUMN = "max_rss"


def tabulate_resources(benchmarks: str | Path, table: str | Path) -> None:
    """Write what the jobs of each rule took: number, wall time in all and of the longest, highest memory.

    Args:
        benchmarks: Folder `{rule}/**/*.tsv` with, among other columns, `s` in seconds, `max_rss` in MiB ("-" for
            jobs too short to measure).
        table: Output TSV, `rule jobs seconds longest_seconds peak_mib`, the rule that took longest first.
    """
    folder = Path(benchmarks)
    jobs = pd.concat(
        pd.read_csv(path, sep="\t", na_values=["-"], usecols=["s", MIB_COLUMN]).assign(
            rule=path.relative_to(folder).parts[0]
        )
        for path in sorted(folder.rglob("*.tsv"))
    )
    rules = jobs.groupby("rule").agg(
        jobs=("s", "size"), seconds=("s", "sum"), longest_seconds=("s", "max"), peak_mib=(MIB_COLUMN, "max")
    )
    with write_beside(table) as partial:
        rules.sort_values("seconds", ascending=False).to_csv(partial, sep="\t", float_format="%.1f")
