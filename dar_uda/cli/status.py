"""How far a run is, told from its logs and checkpoints alone: for one screen."""

import fcntl
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dar_uda.jobs.checkpoints import ELSEWHERE
from dar_uda.jobs.progress import duration
from dar_uda.jobs.record import plain
from dar_uda.plan.paths import Paths
from dar_uda.plan.stages import CHAIN, OF_CHUNKS, ORDER

STATES = ("done", "running", "failed", "stopped")
LINE = re.compile(r"^\d\d:\d\d:\d\d (.*)$", re.MULTILINE)
DONE = re.compile(r"done in ([\d.]+) s$")
PATHS = Paths()
"""From the folder of a run."""
NNUNET = "results/*/*/fold_all/history.tsv"
"""Of nnU-Net's trainings, written after each checkpoint: their checkpoints hold more than `weights_only` loads."""
END, SHOWN, WIDTH, RECENT = 2**16, 5, 150, 60


@dataclass(frozen=True)
class JobStatus:
    """One job, as its log tells.

    Attributes:
        state: One of `STATES`; stopped: it ended without an end mark (killed), or by a queue's SIGTERM.
        text: Its last line, without the time.
        seconds: What it took, if it is done.
        age: Seconds since it last wrote a line.
    """

    rule: str
    name: str
    log: Path
    state: str
    text: str
    seconds: float
    age: float


def status_of(run: str | Path) -> str:
    """Return what of a run is done, running, stopped and failed, and what it waits for.

    Args:
        run: Folder `results/{run}`.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no log; the message lists runs that are there.
    """
    run = Path(run)
    if not run.is_dir():
        raise FileNotFoundError(f"DAR-323: {run}: no such folder; expected the folder of a run{_runs_in(run.parent)}")
    logs = run / PATHS.logs
    jobs = [_job(path, logs) for path in sorted(logs.rglob("*.log"))]
    if not jobs:
        raise FileNotFoundError(f"DAR-323: {logs} holds no log; expected the folder of a run{_runs_in(run)}")
    return "\n".join([*_stages(run, jobs), *_details(jobs), *_checkpoints(run), *_waits_for(run, jobs)])


def _runs_in(folder: Path) -> str:
    """Return the end of a message: which runs lie in a folder, an example where none does."""
    runs = sorted(str(path.parent) for path in folder.glob(f"[!.]*/{PATHS.logs}"))
    return f": {', '.join(runs)}" if runs else ", such as results/phantom"


def _job(path: Path, logs: Path) -> JobStatus:
    rule, *name = path.relative_to(logs).with_suffix("").parts
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END))
        lines = LINE.findall(file.read().decode(errors="replace"))
    text = lines[-1] if lines else ""
    ended = DONE.match(text)
    if ended:
        state = "done"
    elif _is_held(path):
        state = "running"
    else:
        state = "failed" if text.startswith("ERROR: ") and "ended by SIGTERM" not in text else "stopped"
    age = time.time() - path.stat().st_mtime
    return JobStatus(rule, "/".join(name), path, state, text, float(ended[1]) if ended else 0.0, age)


def _is_held(log: Path) -> bool:
    """Return whether a process does the job of a log: it holds the log's lock, see `job_log`."""
    with log.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return time.time() - log.stat().st_mtime < RECENT
    return False


def _stages(run: Path, jobs: Sequence[JobStatus]) -> Iterator[str]:
    counts = Counter((job.rule, job.state) for job in jobs)
    seen = sorted(
        {job.rule for job in jobs}, key=lambda rule: (ORDER.index(rule) if rule in ORDER else len(ORDER), rule)
    )
    yield f"{run}: " + ", ".join(f"{sum(job.state == state for job in jobs)} {state}" for state in STATES)
    yield ""
    yield f"{'jobs of':24}" + "".join(f"{state:>9}" for state in STATES) + f"{'time':>11}"
    for rule in seen:
        cells = "".join(f"{counts[rule, state] or '-':>9}" for state in STATES)
        yield f"{rule:24}{cells}{duration(sum(job.seconds for job in jobs if job.rule == rule)):>11}"


def _details(jobs: Sequence[JobStatus]) -> Iterator[str]:
    for state in STATES[1:]:
        found = sorted((job for job in jobs if job.state == state), key=lambda job: job.age)
        if found:
            yield f"\n{state}:"
        for job in found[:SHOWN]:
            yield f"  {job.rule} {job.name} ({duration(job.age)} ago)\n    {job.text[:WIDTH] or 'no line yet'}"
            if state == "failed":
                yield f"    more in {job.log}"
        if len(found) > SHOWN:
            yield f"  and {len(found) - SHOWN} more"


def _checkpoints(run: Path) -> Iterator[str]:
    """Yield where trainings that are not done would go on."""
    found = {
        next(above.parent for above in path.parents if above.name == "checkpoints").relative_to(root): path
        for root in _checkpoint_roots(run)
        for name in ("latest.pt", NNUNET)
        for path in sorted(root.glob(f"{PATHS.seed('*')}/**/checkpoints/{name}"))
    }
    if found:
        yield "\ncheckpoints:"
    for training, path in found.items():
        age = duration(time.time() - path.stat().st_mtime)
        yield f"  {training}: {_step_of(path)}, saved {age} ago"


def _checkpoint_roots(run: Path) -> list[Path]:
    """Return the folders in which a run's checkpoints may lie: its own, or one by each spelling of its path."""
    elsewhere = os.environ.get(ELSEWHERE)
    if not elsewhere:
        return [run]
    spelled = [run, run.absolute(), run.resolve()]
    return [Path(elsewhere, *path.parts[bool(path.anchor) :]) for path in [*spelled, Path(*plain(run).parts[-2:])]]


def _step_of(checkpoint: Path) -> str:
    import torch

    if checkpoint.match(NNUNET):
        return f"step {checkpoint.read_text().split()[-2]}"
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # torch has many kinds for a file cut short
        return "cannot be read, its training starts anew"
    return f"step {saved['step']}"


def _waits_for(run: Path, jobs: Sequence[JobStatus]) -> Iterator[str]:
    states, seen = Counter(job.state for job in jobs), {OF_CHUNKS.get(job.rule, job.rule) for job in jobs}
    waits = []
    if states["running"]:
        waits.append("the jobs that run")
    elif _is_locked(run):
        waits.append("Snakemake, which holds this folder: it works, or was killed (then snakemake --unlock)")
    if states["failed"]:
        waits.append("you: correct what failed, then give the same command again")
    if states["stopped"] and not states["running"]:
        waits.append("the same command again: what stopped goes on from its checkpoint, or starts anew")
    if coming := [rule for rule in CHAIN if rule not in seen]:
        waits.append(f"not begun, where the run asks for them: {', '.join(coming)}")
    if waits:
        yield "\nwaits for:"
        yield from (f"  {line}" for line in waits)
    yield "\nWhich jobs are to come, and why, tells `snakemake -n` with the options of the run."


def _is_locked(run: Path) -> bool:
    folders = {run.absolute().parent.parent, run.resolve().parent.parent, Path.cwd()}
    return any(lock for folder in folders for lock in (folder / ".snakemake" / "locks").glob("*"))
