"""What a layout finds in a folder."""

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

VOLUME_FILE = re.compile(r"\.(nii(\.gz)?|hdr|mha|mhd|nrrd|nhdr)$", re.IGNORECASE)

LONGEST_NAME, DIGEST = 100, 10
"""Of a case, in a cases table; of it the digest of a name that cannot be kept."""


@dataclass(frozen=True)
class Case:
    """A row of a cases table to be.

    Args:
        patient: Cases of one patient are on one side of the split.
        label: None where there is none.
        split: "train" or "test" where the dataset or its papers say so; None: to be drawn.
        patient_is_known: Whether names of files or folders say who the patient is, so that the table does; otherwise
            `patient` is a guess, which keeps a split on the safe side.
    """

    name: str
    domain: str
    patient: str
    image: Path
    label: Path | None
    split: str | None = None
    patient_is_known: bool = False


@dataclass
class Found:
    """Cases, files left out with the reason, and remarks for the user."""

    cases: list[Case] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def leave_out(self, path: Path, reason: str) -> None:
        self.left_out.append((path, reason))


def stem_of(path: Path) -> str:
    """Return the name of a volume file without its ending, or of a folder."""
    return VOLUME_FILE.sub("", path.name)


def case_name(text: str) -> str:
    """Return `text` as a name that a cases table takes: up to 100 letters, digits, `_`, `-` and single dots.

    Accents are dropped and spaces become `_`. Where more is lost, a digest of `text` keeps its name apart from others.
    The name depends on `text` alone: a patient has one name in all domains.
    """
    composed = unicodedata.normalize("NFC", text)
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", composed) if not unicodedata.combining(sign))
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", letters)
    name = re.sub(r"\.{2,}", ".", name).lstrip("_.-")
    if name and letters.isascii() and len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(os.fsencode(composed)).hexdigest()[:DIGEST]
    return f"{(name.strip('_.-') or 'case')[: LONGEST_NAME - DIGEST - 1]}-{digest}"


def need_folder(folder: Path) -> Path:
    """Return the folder, which must exist."""
    if not folder.is_dir():
        raise FileNotFoundError(f"DAR-250: {folder}: no such folder; expected the folder of a dataset")
    return folder
