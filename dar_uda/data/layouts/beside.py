"""Scans and labels side by side: `image_12.nii.gz`, `label_12.nii.gz`; `p3.nii.gz`, `p3_seg.nii.gz`; DICOM folders."""

import re
import unicodedata
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from dar_uda.data.dicom.header import is_dicom
from dar_uda.data.layouts.case import VOLUME_FILE, Case, Found, case_name, stem_of
from dar_uda.data.layouts.pairing import pair, visible

OF_LABELS = "labels?|labelmap|segmentation|seg|masks?|gt|dseg"
OF_SCANS = "images?|img|scan|volume"
CHANNEL = re.compile(r"_0000$")
FOLDER_OF_LABELS, FOLDER_OF_SCANS = (
    re.compile(rf"({words})(s|Tr|Ts)?", re.IGNORECASE) for words in (OF_LABELS, OF_SCANS)
)
"""Such as masks, labelsTr; imagesTr, scans."""


def find(folder: Path, domain: str | None) -> Found:
    """Return every volume file that is no label, and every folder of DICOM files, at any depth.

    A label has its scan's name but for a word such as `label`, `seg` or `mask` at its beginning or end, or lies in a
    folder with such a name, beside the scans or beside their folder. In a folder with one scan and one label the two
    belong together.

    Raises:
        ValueError: No domain was given.
    """
    if domain is None:
        raise ValueError(f"DAR-255: File names do not tell the domain: give it, as in ct={folder}")
    found = Found()
    scans: dict[Path, dict[Path, str]] = defaultdict(dict)
    labels: dict[Path, dict[Path, str]] = defaultdict(dict)
    for path in _volumes(folder):
        stem = unicodedata.normalize("NFC", stem_of(path))
        label = _without(OF_LABELS, stem)
        in_labels = path.parent != folder and FOLDER_OF_LABELS.fullmatch(path.parent.name)
        (labels if in_labels or label != stem else scans)[_place(path, folder)][path] = label
    candidates = {}
    for place, own in scans.items():
        for scan, stem in own.items():
            names = {stem, _name(scan)}
            candidates[scan] = [label for label, name in labels[place].items() if name in names]
        if len(own) == len(labels[place]) == 1:
            candidates[next(iter(own))] = list(labels[place])
    pairs = pair(candidates, found)
    for scan in candidates:
        parts = _place(scan, folder).relative_to(folder).parts
        name = "_".join(filter(None, [*parts, _name(scan)])) or domain
        full = case_name(name if name[0].isalpha() else f"{domain}{name}")
        found.cases.append(Case(full, domain, parts[0] if parts else name, scan, pairs.get(scan)))
    taken = {label for of_scan in candidates.values() for label in of_scan}
    for path in sorted({path for own in labels.values() for path in own} - taken):
        found.leave_out(path, "is a label without a scan of its name beside it")
    return found


def _place(path: Path, folder: Path) -> Path:
    """Return the folder of a file, or the one above where that holds scans alone, or labels alone, by its name."""
    sorted_out = any(kind.fullmatch(path.parent.name) for kind in (FOLDER_OF_LABELS, FOLDER_OF_SCANS))
    return path.parent.parent if sorted_out and path.parent != folder else path.parent


def _volumes(folder: Path) -> list[Path]:
    """Return volume files, and folders that hold a DICOM file, at any depth."""
    paths = visible(folder, deep=True)
    series = {path.parent for path in paths if not VOLUME_FILE.search(path.name) and _is_dicom(path)}
    return sorted(series | {path for path in paths if VOLUME_FILE.search(path.name) and not path.is_dir()})


def _is_dicom(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and is_dicom(path)
    return False


def _name(scan: Path) -> str:
    return CHANNEL.sub("", _without(OF_SCANS, unicodedata.normalize("NFC", stem_of(scan))))


def _without(words: str, stem: str) -> str:
    """Return a name without one of the words at its beginning or, with a sign before it, at its end."""
    first = re.sub(rf"^({words})([_.-]+|(?=[0-9])|$)", "", stem, flags=re.IGNORECASE)
    return first if first != stem else re.sub(rf"[_.-]+({words})$", "", stem, flags=re.IGNORECASE)
