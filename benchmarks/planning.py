"""What planning costs when everything is done: `snakemake -n` over many cases."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Row

CASES, REPEATS, LINEAR = (100, 1000, 5000), 5, 1.25
SNAKEFILE = Path(__file__).parents[1] / "Snakefile"
CONFIG = ("task=abdomen", "cases=cases.tsv", "budget=laptop", "device=cpu", "directions=ct-to-mr")
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(SNAKEFILE))
# All ready jobs start at once: choosing two of thousands, round after round, takes time quadratic in their number.
WIDE = ("--cores", "1000000", "--max-threads", "1")
# Snakemake itself, without the tenth of a second that it sleeps after every job it touches.
TOUCH_WITHOUT_SLEEP = """
from snakemake.cli import main
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0
main()
"""


def rows() -> Iterator[Row]:
    """Yield the seconds of a dry run with nothing to do at 100 and 5,000 cases, and how its CPU time grows."""
    plans = measure_planning(CASES, REPEATS)
    for cases, goal in ((100, 4.0), (5000, 60.0)):
        seconds = [plan.seconds for plan in plans[cases]]
        peak = max(plan.peak_mib for plan in plans[cases])
        note = f"{min(seconds):.3g}-{max(seconds):.3g}, n {REPEATS}; peak {peak:.0f} MiB"
        yield Row(f"snakemake -n, nothing to do, {cases} cases", "s", None, statistics.median(seconds), goal, note)
    cpu = {cases: statistics.median(plan.cpu_seconds for plan in plans[cases]) for cases in CASES}
    slopes = [(cpu[b] - cpu[a]) / (b - a) * 1000 for a, b in pairwise(CASES)]
    what = "CPU seconds per 1,000 cases, from 1,000 to 5,000 against from 100 to 1,000"
    yield Row(what, "s", *slopes, LINEAR, ", ".join(f"{cases} cases: {cpu[cases]:.3g} s" for cases in CASES))


@dataclass(frozen=True)
class Plan:
    """What a dry run took: wall time and CPU time in seconds, memory at most in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure_planning(sizes: Sequence[int], repeats: int) -> dict[int, list[Plan]]:
    """Return, for projects of several numbers of cases, `repeats` dry runs with nothing to do, all sizes in turn.

    Each project lies in a temporary folder: cases of task abdomen, half of them CT and half MR, four fifths for
    training, one direction, every file empty, every output in place with Snakemake's record of how it was made.

    Raises:
        RuntimeError: A dry run fails or finds something to do, as it does when the code changes meanwhile.
    """
    with TemporaryDirectory(prefix="planning-") as folder:
        projects = {cases: Path(folder) / str(cases) for cases in sizes}
        for cases, project in projects.items():
            finish_project(project, cases)
        plans: dict[int, list[Plan]] = {cases: [] for cases in sizes}
        for _ in range(repeats):
            for cases, project in projects.items():
                done, text = plan(project)
                if "Nothing to be done" not in text:
                    raise RuntimeError(f"The dry run found something to do:\n{text[-2000:]}")
                plans[cases].append(done)
    return plans


def finish_project(folder: Path, cases: int) -> None:
    """Make a project of `cases` cases in a new folder in which every job counts as done."""
    folder.mkdir()
    write_cases(folder, cases)
    for output in _outputs(folder):
        path = folder / output
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:  # the folder of a method's masks
            path.mkdir()
    arguments = [*SNAKEMAKE[5:], "--touch", "--forceall", "--scheduler", "greedy", *WIDE, "--config", *CONFIG]
    _run([sys.executable, "-c", TOUCH_WITHOUT_SLEEP, *arguments], folder)


def write_cases(folder: Path, cases: int) -> None:
    """Write a cases table and its empty volumes."""
    rows = ["case\tdomain\timage\tlabel\tsplit"]
    for index in range(cases):
        number, domain = index // 2, ("ct", "mr")[index % 2]
        image, label = f"{domain}/{number}.nii", f"{domain}/{number}-label.nii"
        for file in (image, label):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).touch()
        rows.append(f"{domain}{number}\t{domain}\t{image}\t{label}\t{'test' if number % 5 == 4 else 'train'}")
    (folder / "cases.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _outputs(folder: Path) -> list[str]:
    """Return every output of the run, files and folders."""
    _, *rows = _run([*SNAKEMAKE, "--summary", "--config", *CONFIG], folder).splitlines()
    return [row.split("\t")[0] for row in rows]


def _run(command: list[str], folder: Path) -> str:
    """Run `command` in `folder`; return its standard output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def plan(folder: Path) -> tuple[Plan, str]:
    """Return what a dry run takes, and what it prints.

    Raises:
        RuntimeError: It fails.
    """
    start = time.perf_counter()
    with (folder / "plan.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen([*SNAKEMAKE, "-n", "--config", *CONFIG], cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read()
    if process.returncode:
        raise RuntimeError(f"The dry run failed:\n{text[-2000:]}")
    return Plan(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text
