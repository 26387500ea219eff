"""Where a result comes from: a file beside it with all that its job depended on, and the checksums of what it read."""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from dar_uda.data.files import write_beside
from dar_uda.training.job_log import job_log

PACKAGES = (
    *("adabelief-pytorch", "dar-uda", "matplotlib", "medpy", "nibabel", "numpy", "pandas", "safetensors"),
    *("scikit-learn", "scipy", "simpleitk", "snakemake", "torch"),
)


@contextmanager
def recorded(job: Any) -> Iterator[None]:
    """Log the block to the job's log, and when it ended without an error write the provenance of its outputs.

    Args:
        job: What Snakemake hands to a script.

    Raises:
        SystemExit: See `job_log`.
    """
    path = provenance_path(job.output[0])
    path.unlink(missing_ok=True)
    with job_log(job.log[0]):
        yield
        record = {
            "rule": job.rule,
            "wildcards": dict(job.wildcards.items()),
            "params": dict(job.params.items()),
            "choices": {key: value for key, value in job.config.items() if not isinstance(value, dict)},
            "threads": job.threads,
            "device": _device(job.resources.get("gpu", 0)),
            "packages": _versions(),
            "inputs": checksums(job.input),
            "outputs": checksums(job.output),
        }
        with write_beside(path) as partial:
            partial.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")


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
        return _digest(lines.encode()).hexdigest()
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
