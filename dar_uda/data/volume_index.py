"""One volume of a 4D NIfTI file: its path is that of the file, `/`, and the volume's number from 0: `dwi.nii.gz/3`.

No file can have such a path, since nothing lies below a file.
"""

import re
from pathlib import Path

INDEXED = re.compile(r"(.*\.(?:nii|nii\.gz|hdr))/(0|[1-9][0-9]{0,8})", re.IGNORECASE | re.DOTALL)


def split_index(path: str | Path) -> tuple[str, int | None]:
    """Return the file that a path of the user names, and the number of the volume in it; None where it names none."""
    match = INDEXED.fullmatch(str(path))
    return (match[1], int(match[2])) if match else (str(path), None)


def file_of(path: str | Path) -> str:
    """Return the file, or the folder, that a path of the user names."""
    return split_index(path)[0]
