"""What Snakemake's own process takes while it runs jobs: for each small job, and while two long jobs run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.measure import Row

READY, SMALL = (30, 1000, 10000), 100
WORKFLOW = Path(__file__).parents[1] / "workflow"
HOOKS = f'include: "{WORKFLOW / "rules" / "scheduling.smk"}"\n'
PROFILE = ("--workflow-profile", str(WORKFLOW / "profiles" / "default"))
NO_PROFILE = ("--workflow-profile", "none")
# Small jobs run first, as preprocessing does; then two long ones take both cores, and the others stay ready.
JOBS = """
rule all:
    input: expand("waiting/{n}", n=range(READY)), expand("long/{n}", n=range(2)),
rule small:
    output: "small/{n}",
    priority: 2
    shell: "touch {output}"
rule long:
    input: expand("small/{n}", n=range(SMALL)),
    output: "long/{n}",
    priority: 1
    shell: "touch started-{wildcards.n}; sleep 3600; touch {output}"
rule waiting:
    output: "waiting/{n}",
    shell: "touch {output}"
"""


def rows() -> Iterator[Row]:
    """Yield CPU seconds per small job, and the share of a core while two long jobs run, at 30 to 10,000 ready jobs."""
    for ready in READY:
        plain, ours = scheduling_cost(ready, "", NO_PROFILE), scheduling_cost(ready, HOOKS, PROFILE)
        what, note = f"{ready} jobs ready", "Snakemake's defaults: {:.3g}".format
        yield Row(f"Snakemake per small job, {what}", "CPU s", None, ours.per_job, 0.2, note(plain.per_job))
        yield Row(f"Snakemake while two long jobs run, {what}", "% of a core", None, ours.idle, 1, note(plain.idle))


@dataclass(frozen=True)
class Cost:
    """What Snakemake's own process took, without the processes of its jobs.

    Attributes:
        per_job: CPU seconds per small job, from its start to Snakemake's record of it.
        idle: Percent of a core while the long jobs run.
    """

    per_job: float
    idle: float


def scheduling_cost(ready: int, hooks: str, options: tuple[str, ...], seconds: float = 20) -> Cost:
    """Run `SMALL` jobs that only `touch`, then two long ones for `seconds`, while `ready` more could start.

    Args:
        hooks: What stands at the top of the Snakefile.

    Raises:
        RuntimeError: Snakemake ends before that.
    """
    snakefile = f"READY, SMALL = {ready}, {SMALL}\n{hooks}{JOBS}"
    with TemporaryDirectory(prefix="scheduling-") as name:
        folder = Path(name)
        with snakemake_running(folder, snakefile, options) as process:
            _wait(process, (folder / "small").exists)
            first, done_first = _cpu(process), _done(folder)
            _wait(process, lambda: all((folder / f"started-{n}").exists() for n in range(2)))
            per_job = (_cpu(process) - first) / (_done(folder) - done_first)
            time.sleep(2)  # until what it does about their start is over
            start, before = time.perf_counter(), _cpu(process)
            time.sleep(seconds)
            idle = (_cpu(process) - before) / (time.perf_counter() - start)
    return Cost(per_job, 100 * idle)


@contextmanager
def snakemake_running(folder: Path, snakefile: str, options: tuple[str, ...]) -> Iterator[psutil.Popen]:
    """Start Snakemake on two cores in `folder`; kill it and its jobs at the end of the block."""
    (folder / "Snakefile").write_text(snakefile, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *options]
    with (folder / "snakemake.log").open("w") as log:
        process = psutil.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: psutil.Popen, until: Callable[[], bool]) -> None:
    while not until():
        if process.poll() is not None:
            raise RuntimeError(f"Snakemake ended with status {process.returncode} before the long jobs started.")
        time.sleep(0.05)


def _cpu(process: psutil.Popen) -> float:
    """Return the CPU seconds of the process itself."""
    times = process.cpu_times()
    return times.user + times.system


def _done(folder: Path) -> int:
    """Return how many small jobs have made their file."""
    return sum(1 for place in ("small", "waiting") if (folder / place).exists() for _ in (folder / place).iterdir())
