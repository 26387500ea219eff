"""What planning costs when everything is done: `snakemake -n` over many cases."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Row

REPEATS, LINEAR = 5, 1.25
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
    """Yield the seconds of a dry run with nothing to do at 100 and 5,000 cases, and how they grow."""
    medians = {}
    for cases, goal in ((100, 4.0), (1000, None), (5000, 60.0)):
        seconds, peak = measure_planning(cases, REPEATS)
        medians[cases] = statistics.median(seconds)
        if goal:
            note = f"{min(seconds):.3g}-{max(seconds):.3g}, n {REPEATS}; peak {peak:.0f} MiB"
            yield Row(f"snakemake -n, nothing to do, {cases} cases", "s", None, medians[cases], goal, note)
    slopes = [(medians[b] - medians[a]) / (b - a) * 1000 for a, b in ((100, 1000), (1000, 5000))]
    what = "seconds per 1,000 cases, from 1,000 to 5,000 against from 100 to 1,000"
    yield Row(what, "s", *slopes, LINEAR, f"1000 cases: {medians[1000]:.3g} s")


def measure_planning(cases: int, repeats: int) -> tuple[list[float], float]:
    """Return the wall time of each of `repeats` dry runs with nothing to do, in seconds, and their peak memory in MiB.

    The project lies in a temporary folder: `cases` cases of task abdomen, half of them CT and half MR, four fifths for
    training, one direction, every file empty, every output in place with Snakemake's record of how it was made.

    Raises:
        RuntimeError: A dry run fails or finds something to do, as it does when the code changes meanwhile.
    """
    with TemporaryDirectory(prefix="planning-") as folder:
        finish_project(Path(folder), cases)
        runs = [_plan(Path(folder)) for _ in range(repeats)]
    return [seconds for seconds, _ in runs], max(peak for _, peak in runs)


def finish_project(folder: Path, cases: int) -> None:
    """Make a project of `cases` cases in `folder` in which every job counts as done."""
    _write_cases(folder, cases)
    for output in _outputs(folder):
        path = folder / output
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:  # the folder of a method's masks
            path.mkdir()
    arguments = [*SNAKEMAKE[5:], "--touch", "--forceall", "--scheduler", "greedy", *WIDE, "--config", *CONFIG]
    _run([sys.executable, "-c", TOUCH_WITHOUT_SLEEP, *arguments], folder)


def _write_cases(folder: Path, cases: int) -> None:
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


def _plan(folder: Path) -> tuple[float, float]:
    """Return the wall time in seconds and the peak memory in MiB of one dry run that finds nothing to do."""
    start = time.perf_counter()
    with (folder / "plan.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen([*SNAKEMAKE, "-n", "--config", *CONFIG], cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read()
    if process.returncode or "Nothing to be done" not in text:
        raise RuntimeError(f"The dry run failed or found something to do:\n{text[-2000:]}")
    return seconds, usage.ru_maxrss / 1024


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or ("100", "1000", "5000")):
        times, peak = measure_planning(count, 3)
        print(f"{count} cases: {', '.join(f'{seconds:.1f}' for seconds in times)} s, {peak:.0f} MiB")
