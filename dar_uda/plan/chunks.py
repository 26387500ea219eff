"""Cases in chunks that a job each predicts and scores."""

import hashlib
from collections.abc import Sequence
from functools import cache


def chunks_of(cases: Sequence[str], size: int) -> dict[str, list[str]]:
    """Return the cases in chunks of about `size`, by the name of each chunk's first case.

    Where one begins is decided by the names of the cases, not by their number: a case that is added, wherever in the
    table, changes its own chunk alone. As many as `size` cases or fewer are one chunk.
    """
    return _chunks(tuple(cases), size)


@cache
def _chunks(cases: tuple[str, ...], size: int) -> dict[str, list[str]]:
    chunks: list[list[str]] = []
    for case in cases:
        if not chunks or (len(cases) > size and _begins(case, size)):
            chunks.append([])
        chunks[-1].append(case)
    return {chunk[0]: chunk for chunk in chunks}


def _begins(case: str, size: int) -> bool:
    """Return whether a chunk begins with this case, as one of `size` cases does."""
    return int.from_bytes(hashlib.blake2b(case.encode(), digest_size=8).digest()) % size == 0
