"""Cases in chunks that a job each predicts and scores."""

import hashlib
from collections.abc import Sequence
from functools import cache


def chunks_of(cases: Sequence[str], size: int, only: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Return the cases in chunks of about `size`, by the name of each chunk's first case.

    Where one begins is decided by the names of the cases, not by their number: a case that is added, wherever in the
    table, changes its own chunk alone. As many as `size` cases or fewer are one chunk.

    Args:
        only: If given, chunks hold these of their cases alone; those without any are left out.
    """
    return _chunks(tuple(cases), size) if only is None else _parts(tuple(cases), size, tuple(only))


@cache
def _chunks(cases: tuple[str, ...], size: int) -> dict[str, list[str]]:
    chunks: list[list[str]] = []
    for case in cases:
        if not chunks or (len(cases) > size and _begins(case, size)):
            chunks.append([])
        chunks[-1].append(case)
    return {chunk[0]: chunk for chunk in chunks}


@cache
def _parts(cases: tuple[str, ...], size: int, only: tuple[str, ...]) -> dict[str, list[str]]:
    kept = set(only)
    parts = {first: [case for case in chunk if case in kept] for first, chunk in _chunks(cases, size).items()}
    return {first: part for first, part in parts.items() if part}


def _begins(case: str, size: int) -> bool:
    """Return whether a chunk begins with this case, as one of `size` cases does."""
    return int.from_bytes(hashlib.blake2b(case.encode(), digest_size=8).digest()) % size == 0
