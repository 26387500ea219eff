"""What a file is in truth whose name says volume: packed otherwise, a pointer, a web page."""

import gzip
import zlib
from pathlib import Path

HEAD = 512
GZIP = b"\x1f\x8b"
NIFTI = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
"""What NIfTI-1 and NIfTI-2 files begin with."""
OTHERS = (
    ((b"BZh",), "is packed with bzip2: unpack it (DAR-121)"),
    ((b"PK\x03\x04",), "is a zip archive: unpack it (DAR-121)"),
    ((b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "is packed with xz or zstd: unpack it (DAR-121)"),
    ((b"version https://git-lfs",), "is a pointer of Git LFS, not the volume: fetch it (`git lfs pull`) (DAR-122)"),
    (
        (b"\x00\x05\x16\x07",),
        "is what a Mac stores beside a file (._): name the file without ._, and delete this one (DAR-124)",
    ),
    ((b"<!doctype", b"<html", b"<?xml"), "is a web page or XML, not the volume: download it again (DAR-123)"),
)
"""By the first bytes; text in lower case."""


def is_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM files do."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def foreign_content(path: Path) -> str | None:
    """Return what a file is that its name does not say, and what to do; None where its first bytes do not tell."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    suffix = path.suffix.lower()
    if not head:
        return "is empty (0 bytes): copy or download it again (DAR-123)"
    if head.startswith(GZIP):
        if suffix == ".gz":
            return _packed(path)
        return f"is packed with gzip: {f'rename it to {path.name}.gz' if suffix == '.nii' else 'unpack it'} (DAR-121)"
    if suffix == ".gz" and head.startswith(NIFTI):
        return f"is not packed with gzip: rename it to {path.name[: -len(suffix)]} (DAR-121)"
    return _other(head)


def _packed(path: Path) -> str | None:
    """Return what is within a gzip file."""
    try:
        with gzip.open(path) as file:
            head = file.read(HEAD)
    except EOFError:
        return "was cut short: copy or export it again (DAR-123)"
    except (OSError, zlib.error):
        return None
    return "is packed with gzip twice: unpack it once (DAR-121)" if head.startswith(GZIP) else _other(head)


def _other(head: bytes) -> str | None:
    start = head.lstrip().lower()
    if b"annex/objects/" in start:
        return "is a pointer of git-annex, not the volume: fetch it (`git annex get`, `datalad get`) (DAR-122)"
    return next((text for firsts, text in OTHERS if head.startswith(firsts) or start.startswith(firsts)), None)
