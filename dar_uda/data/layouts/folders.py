"""A folder per domain with `images/` and `labels/`, paired by name."""

import re
import unicodedata
from pathlib import Path

from dar_uda.data.layouts.case import VOLUME_FILE, Case, Found, case_name, stem_of
from dar_uda.data.layouts.pairing import pair, visible

DATA_FILES = (".img", ".raw", ".zraw")
"""Which a header beside them names: .hdr, .mhd, .nhdr."""
ENDINGS = re.compile(r"[_.-](image|img|scan|volume|label|labels|seg|segmentation|mask|gt)$", re.IGNORECASE)
CHANNEL = "_0000"
"""What nnU-Net adds to the name of a scan, not to that of its label."""


def find(folder: Path, domain: str | None) -> Found:
    """Return every volume file, and every folder of one DICOM series, below `images/`.

    A label has its scan's name; endings such as `_image`, `_label` or `_seg` do not count.

    Raises:
        ValueError: No domain was given, or there is no `images/`.
    """
    if domain is None:
        raise ValueError(f"DAR-255: Plain folders do not tell their domain: give it, as in ct={folder}")
    if not (folder / "images").is_dir():
        raise ValueError(
            f"DAR-252: {folder} has no folder images/: put the scans into images/, their labels into labels/"
        )
    found, candidates = Found(), {}
    labels = {path: _paired_name(path) for path in _headers(folder / "labels")}
    for image in _headers(folder / "images"):
        if image.is_dir() or VOLUME_FILE.search(image.name):
            names = {_paired_name(image), _without_channel(image)}
            candidates[image] = [label for label, name in labels.items() if name in names]
        else:
            found.leave_out(image, "is neither a volume file (NIfTI, MetaImage, NRRD) nor a folder of DICOM files")
    pairs = pair(candidates, found)
    for image in candidates:
        name = case_name(_paired_name(image))
        found.cases.append(Case(name, domain, _without_channel(image), image, pairs.get(image)))
    for label in sorted(labels.keys() - {label for of_image in candidates.values() for label in of_image}):
        found.leave_out(label, "has no scan of its name in images/")
    return found


def _headers(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.suffix.lower() not in DATA_FILES]


def _paired_name(path: Path) -> str:
    """Return a name without its ending, in composed letters: a Mac stores an umlaut as two characters."""
    return ENDINGS.sub("", unicodedata.normalize("NFC", stem_of(path)))


def _without_channel(image: Path) -> str:
    return ENDINGS.sub("", unicodedata.normalize("NFC", stem_of(image)).removesuffix(CHANNEL))
