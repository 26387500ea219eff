"""Run trials side by side on a lent machine.

    python -m benchmarks.ideas.lent KIT JOBS --processes N --seconds S --out OUT

Run it where the code lies; KIT is the folder of `benchmarks.ideas.kit`. JOBS has a line for every process:

    translations RUN SEED ... [--translators NAME ...]
    trials RUN DIRECTION VARIANT ... [--seeds SEED ...]

Those below an empty line begin when all above it have ended. OUT gets both tables of trials, and what each printed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from benchmarks.gpu.wheels import unpack_missing

MODULES = {"translations": "benchmarks.ideas.translations", "trials": "benchmarks.ideas"}


def main(arguments: Sequence[str]) -> None:
    given = _parse(arguments)
    end, groups = time.monotonic() + given.seconds, groups_of(given.jobs.read_text(encoding="utf-8"))
    given.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="dar-uda-site-") as site:
        paths = [str(Path.cwd()), *map(str, unpack_missing(given.kit / "wheels", Path(site)))]
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        sys.path += paths
        from benchmarks.ideas.kit import unpack
        from benchmarks.ideas.record import TABLE, cases_table

        unpack(given.kit)
        with ThreadPoolExecutor(given.processes) as pool:
            for lines in groups:
                list(pool.map(partial(do, out=given.out, device=given.device, end=end), lines))
    for table in (TABLE, cases_table()):
        shutil.copy(table, given.out)


def groups_of(jobs: str) -> list[list[str]]:
    """Return the lines of jobs that run side by side, group after group.

    Raises:
        ValueError: A line is none; nothing has begun then, whose rows would be lost.
    """
    groups = [[line for line in group.splitlines() if line.strip()] for group in jobs.split("\n\n")]
    for line in (line for group in groups for line in group):
        kind, *rest = line.split()
        if kind not in MODULES or len(rest) < 2:
            raise ValueError(f"Job {line!r}: expected one of {', '.join(MODULES)}, a run, and more")
    return groups


def do(line: str, out: Path, device: str, end: float) -> None:
    """Run a line of jobs until it ends, or the time is over; print how it ended.

    A process leases the card among those of one folder of temporary files: here each has its own.
    """
    kind, run, *rest = line.split()
    command = [sys.executable, "-m", MODULES[kind], f"kit/{run}/config.yaml", *rest, "--device", device]
    begun, left = time.monotonic(), end - time.monotonic()
    if left <= 0:
        print(f"no time: {line}", flush=True)
        return
    environment = {**os.environ, "TMPDIR": mkdtemp(prefix="dar-uda-lent-"), "OMP_NUM_THREADS": "1"}
    with (out / "log.txt").open("ab") as log:
        try:
            status = subprocess.run(command, env=environment, stdout=log, stderr=log, timeout=left).returncode
        except subprocess.TimeoutExpired:
            status = "no time left"
    print(f"{time.monotonic() - begun:.0f} s, {status}: {line}", flush=True)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kit", type=Path)
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="after which no process goes on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
