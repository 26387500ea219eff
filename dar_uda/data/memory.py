"""Whether what a scan needs fits into the memory of this machine, before it is taken."""

from pathlib import Path

GIB = 2**30
MEMINFO = Path("/proc/meminfo")
GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def need_memory(needed: int, what: str) -> None:
    """Raise where the machine has less memory than needed.

    Args:
        needed: Bytes.
        what: Begins the message: the file, and what of it needs memory.

    Raises:
        ValueError: It does not fit.
    """
    free = free_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"DAR-155: {what} take {needed / GIB:.3g} GiB of memory, {free / GIB:.3g} are free: look whether the "
            "header is right; if it is, crop or resample the scan, or use a larger machine"
        )


def free_memory() -> int | None:
    """Return the bytes that the system and the container's limit leave; None where the system does not say."""
    lines = MEMINFO.read_text().splitlines() if MEMINFO.exists() else []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    limit = GROUP_LIMIT.read_text().strip() if GROUP_LIMIT.exists() else "max"
    return min([*free, *([int(limit)] if limit.isdigit() else [])], default=None)
