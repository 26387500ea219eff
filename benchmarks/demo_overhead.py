"""How much of a run's time goes to what stands around the computation: process start and imports."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.measure import Row
from dar_uda.jobs.cores import usable_cores

OWN_TIME = re.compile(r"done in ([\d.]+) s$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One job: its name, its wall time with and without start-up, in seconds, and when it ended."""

    name: str
    wall: float
    own: float
    end: float


@dataclass(frozen=True)
class Overhead:
    """What a run's jobs took, in seconds.

    Args:
        jobs: The jobs whose log says how long they worked.
        unknown: Names of the jobs whose log does not.
    """

    jobs: list[Job]
    unknown: list[str]

    @property
    def around(self) -> float:
        """Return the sum over all jobs of wall time less own time."""
        return sum(job.wall - job.own for job in self.jobs)

    @property
    def own(self) -> float:
        """Return the sum over all jobs of own time."""
        return sum(job.own for job in self.jobs)

    @property
    def wall(self) -> float:
        """Return the time from the first job's start to the last job's end."""
        return max(job.end for job in self.jobs) - min(job.end - job.wall for job in self.jobs)

    @property
    def busy(self) -> float:
        """Return for how long at least one job computed."""
        total, until = 0.0, 0.0
        for start, end in sorted((job.end - job.own, job.end) for job in self.jobs):
            total += max(0.0, end - max(start, until))
            until = max(until, end)
        return total


def rows() -> Iterator[Row]:
    """Yield the share of the demo's time around its computation, where results/phantom was made on this machine."""
    what, cores = "make demo: start of jobs and imports, of cores x wall", usable_cores()
    try:
        overhead = measure_overhead(Path("results/phantom"))
    except FileNotFoundError:
        yield Row(what, "share", None, None, 0.15, "needs a finished `make demo`")
        return
    note = f"{len(overhead.jobs)} jobs, {overhead.around:.0f} s of {cores} x {overhead.wall:.0f} s"
    yield Row(what, "share", None, overhead.around / (cores * overhead.wall), 0.15, note)
    yield Row(
        "make demo: no job running, of its wall",
        "share",
        None,
        1 - overhead.busy / overhead.wall,
        0.15,
        f"planning and file checks between jobs: {overhead.wall - overhead.busy:.0f} s of {overhead.wall:.0f} s",
    )


def measure_overhead(run_folder: Path) -> Overhead:
    """Return the jobs of a finished run, such as results/phantom, with their time around the computation.

    A job's wall time is Snakemake's: from before its process starts until after it ends. Its own time is the last
    `done in ... s` of its log, that of the block `job_log`, which follows the imports. The difference is process
    start, Snakemake's preamble and imports. A job ended when its benchmark file was written. Snakemake's
    planning before the first job and its work after the last lie outside of `Overhead.wall`; its work between jobs
    shows as idle cores, not here.

    `around / (cores * wall)` is the share of the machine's time that start-up took; `around / (around + own)` is the
    share of the time in which jobs ran.

    Raises:
        FileNotFoundError: No job of the run has both a benchmark and a log that ends with its own time.
    """
    jobs, unknown = [], []
    for benchmark in sorted((run_folder / "benchmarks").rglob("*.tsv")):
        name = str(benchmark.relative_to(run_folder / "benchmarks").with_suffix(""))
        own = _own_time(run_folder / "logs" / f"{name}.log")
        if own is None:
            unknown.append(name)
        else:
            wall = float(pd.read_csv(benchmark, sep="\t")["s"].iloc[-1])
            jobs.append(Job(name, wall, own, benchmark.stat().st_mtime))
    if not jobs:
        raise FileNotFoundError(f"No job in {run_folder} has a benchmark and a log with its own time.")
    return Overhead(jobs, unknown)


def _own_time(log: Path) -> float | None:
    """Return the seconds of the last run that `log` records; None where it has none."""
    times = OWN_TIME.findall(log.read_text(encoding="utf-8")) if log.is_file() else []
    return float(times[-1]) if times else None
