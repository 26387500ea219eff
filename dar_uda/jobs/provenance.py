"""Where a result comes from: a file beside it with all that its job depended on, and the checksums of what it read."""

import hashlib
import json
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from dar_uda.jobs.checkpoints import checkpoints_of, remove_checkpoints
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.log import job_log
from dar_uda.jobs.permissions import no_wider_than

PACKAGES = (
    *("adabelief-pytorch", "dar-uda", "matplotlib", "medpy", "nibabel", "numpy", "pandas", "safetensors"),
    *("scikit-learn", "scipy", "simpleitk", "snakemake", "torch"),
)
FORMAT = 2
"""Of a provenance: it grows when rules, values or files that a provenance names get other names. Without one: 1."""


@contextmanager
def recorded(job: Any) -> Iterator[dict[str, str]]:
    """Log the block to the job's log, and when it ended without an error write the provenance of its outputs.

    The block may note the versions of packages of another interpreter that did its work.
    What the job makes is readable by no more users than what it reads, see `no_wider_than`.
    A training's checkpoints go last: a job that fails before is done again, and goes on from them.
    Of a job whose results other runs may take from Snakemake's cache it also writes time and memory: Snakemake allows
    no `benchmark:` there.

    Args:
        job: What Snakemake hands to a script.

    Raises:
        SystemExit: See `job_log`.
    """
    path = provenance_path(job.output[0])
    path.unlink(missing_ok=True)
    start, of_others = time.monotonic(), dict[str, str]()
    with no_wider_than(job.input, path.parent), job_log(job.log[0]):
        yield of_others
        record = {
            "format": FORMAT,
            "rule": job.rule,
            "wildcards": dict(job.wildcards.items()),
            "params": dict(job.params.items()),
            "choices": {key: value for key, value in job.config.items() if not isinstance(value, dict)},
            "threads": job.threads,
            "device": _device(job.resources.get("gpu", 0)),
            "packages": {**_versions(), **of_others},
            "inputs": checksums(job.input),
            "outputs": checksums(job.output),
        }
        with write_beside(path) as partial:
            partial.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
        if job.bench_iteration is None:
            write_usage(benchmark_path(job.log[0]), time.monotonic() - start)
        if history := getattr(job.output, "history", None):
            remove_checkpoints(checkpoints_of(history))


def benchmark_path(log: str | Path) -> Path:
    """Return `.../benchmarks/{rule}/{name}.tsv` of a log `.../logs/{rule}/{name}.log`."""
    parts = list(Path(log).with_suffix(".tsv").parts)
    parts[len(parts) - 1 - parts[::-1].index("logs")] = "benchmarks"
    return Path(*parts)


def write_usage(path: Path, seconds: float) -> None:
    """Write the time of this process and its children, their highest memory and their CPU time, as Snakemake does."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    highest, computed = max(each.ru_maxrss for each in used), sum(each.ru_utime + each.ru_stime for each in used)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_beside(path) as partial:
        row = f"{seconds:.4f}\t{highest / 1024:.2f}\t{computed:.2f}"
        partial.write_text(f"s\tmax_rss\tcpu_time\n{row}\n", encoding="utf-8")


def provenance_path(output: str | Path) -> Path:
    """Return where the provenance of a job lies whose first output is this file or folder."""
    output = Path(output)
    return output.with_name(f"{output.name.split('.')[0]}.provenance.json")


def checksums(paths: Sequence[str]) -> dict[str, str]:
    """Return the BLAKE2b digest (128 bits) of every file; of a folder that of its files' names and digests.

    Hidden files do not count: Snakemake marks folders that are outputs with one.
    """
    return {str(path): _checksum(Path(path)) for path in paths}


def _checksum(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.name[0] != ".")
        lines = "".join(f"{file.relative_to(path)} {_checksum(file)}\n" for file in files)
        return _digest(lines.encode(errors="surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, _digest).hexdigest()


def _digest(content: bytes = b"") -> "hashlib._Hash":
    return hashlib.blake2b(content, digest_size=16)


def _device(gpus: int) -> str:
    """Return the GPUs on which the job computed, or else the kind of processor.

    Args:
        gpus: How many it asked for; with several, the processes that computed were others.
    """
    torch = sys.modules.get("torch")
    if torch is not None and (torch.cuda.is_initialized() or (gpus > 1 and torch.cuda.is_available())):
        return f"{gpus} x {torch.cuda.get_device_name()}" if gpus > 1 else torch.cuda.get_device_name()
    return f"CPU, {platform.machine()}"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # the package itself need not be installed, nor torch for every job
            continue
    return versions
