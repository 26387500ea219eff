"""The boundary to the libraries that read files: whatever they raise becomes one error that names the file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OF_RESULTS = "it was cut short or edited: delete it and run again"
"""The remedy for files of the project's own making."""
LONGEST = 2000
"""Characters of an error that are shown."""
OUT_OF_MEMORY = re.compile("out ?of ?memory|allocate memory|bad.?alloc", re.IGNORECASE)
"""In the errors of torch, SimpleITK and C++, which are plain RuntimeErrors."""


class UnreadableFileError(ValueError):
    """A file that is not what it should be; the message names it and says what to do."""


@contextmanager
def reading(path: str | Path, remedy: str = "copy or export it again") -> Iterator[None]:
    """Turn what a library raises within the block into an `UnreadableFileError`; that and `MemoryError` pass."""
    try:
        yield
    except (UnreadableFileError, MemoryError):
        raise
    except Exception as error:  # nibabel, zlib, NumPy and SimpleITK have a dozen kinds for broken files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableFileError(f"DAR-126: {path} cannot be read ({reason[:300]}): {remedy}") from error


def check_name(path: str | Path) -> None:
    """Raise where a path is not UTF-8: SimpleITK ends the whole process on such a name.

    Raises:
        UnreadableFileError: It is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UnreadableFileError(f"DAR-134: {path}: its name or its folder's is not UTF-8; rename it") from error


def reason_of(path: str | Path, error: Exception) -> str:
    """Return in one message with the file's name why nothing came of a file, whatever a library raised."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(f"{type(error).__name__} {text}"):
        return f"DAR-108: {path}: does not fit into memory ({text[:LONGEST]}): free some, or use a larger machine"
    if isinstance(error, (ValueError, OSError)):
        return text if str(path) in text else f"{path}: {text}"
    return f"{path}: {type(error).__name__}: {text[:LONGEST]}"
