"""What a layout finds in a folder."""

import re
from dataclasses import dataclass, field
from pathlib import Path

VOLUME_FILE = re.compile(r"\.(nii(\.gz)?|hdr|mha|mhd|nrrd|nhdr)$", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """A row of a cases table to be.

    Args:
        patient: Cases of one patient stand in one split.
        label: None where there is none.
        split: "train" or "test" where the dataset or its papers say so; None: to be drawn.
    """

    name: str
    domain: str
    patient: str
    image: Path
    label: Path | None
    split: str | None = None


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
    """Return `text` as a name that a cases table takes: letters, digits, `_`, `-` and single dots."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", text)
    return re.sub(r"\.{2,}", ".", name).lstrip("_.-") or "case"


def domain_name(text: str) -> str:
    """Return `text` as the name of a domain: its letters and digits, in lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def need_folder(folder: Path) -> Path:
    """Return the folder, which must exist."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected the folder of a dataset")
    return folder
