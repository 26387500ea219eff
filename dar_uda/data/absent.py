"""What is meant by a path at which nothing lies."""

import re
import unicodedata
from contextlib import suppress
from pathlib import Path

MEANINGS = {
    r"(^|/)~[^/]*/": "`~` is not expanded: write the home folder in full",
    r"\$\w|\$\{|%\w+%": "variables are not expanded: write their values",
    r"(^|/)([A-Za-z]:\\|\\\\)": "this is a Windows path: write it as this machine does, such as /mnt/c/a.nii.gz",
    r"(^|/)[A-Za-z][A-Za-z0-9+.-]+:/": "URLs are not read: copy the file to a disk of this machine",
    r"""(^|/)(["']).*\2$""": "leave out the quotes",
    r"[*?]": "`*` and `?` are not expanded: name one file",
    r"\\": "write / between folders",
}
"""By the look of a path: what people mean by it."""


def advice_on_absent(path: str | Path) -> str:
    """Return what is probably meant by a path at which nothing lies, as the end of a sentence, or ""."""
    path = Path(path)
    if path.is_symlink():
        return f"; it is a link to {path.readlink()}, which is not there"
    if found := _lookalike(path):
        return f"; there is {found}, whose name differs in case, spaces or the encoding of letters: copy it from there"
    meaning = next((meaning for look, meaning in MEANINGS.items() if re.search(look, str(path))), None)
    return f"; {meaning}" if meaning else ""


def _lookalike(path: Path) -> Path | None:
    """Return the file or folder that reads like the first absent part of a path."""
    with suppress(OSError):
        absent = next(part for part in [*reversed(path.parents), path] if not part.exists())
        others = (entry for entry in absent.parent.iterdir() if entry.name != absent.name)
        return next((entry for entry in others if _read(entry.name) == _read(absent.name)), None)
    return None


def _read(name: str) -> str:
    """Return a name as an eye reads it: without regard to case, kinds and number of spaces, and Unicode's forms."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
