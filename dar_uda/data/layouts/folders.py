"""A folder per domain with `images/` and `labels/`, paired by name."""

import re
from pathlib import Path

from dar_uda.data.layouts.case import VOLUME_FILE, Case, Found, case_name, stem_of

DATA_FILES = (".img", ".raw", ".zraw")
"""Which a header beside them names: .hdr, .mhd, .nhdr."""
ENDINGS = re.compile(r"[_.-](image|img|scan|volume|label|labels|seg|segmentation|mask|gt)$", re.IGNORECASE)


def find(folder: Path, domain: str | None) -> Found:
    """Return every volume file, and every folder of one DICOM series, below `images/`.

    A label has its scan's name; endings such as `_image`, `_label` or `_seg` do not count.

    Raises:
        ValueError: No domain was given, there is no `images/`, or two labels have one name.
    """
    if domain is None:
        raise ValueError(f"Plain folders do not tell their domain: give it, as in ct={folder}")
    if not (folder / "images").is_dir():
        raise ValueError(f"{folder} has no folder images/: put the scans into images/, their labels into labels/")
    found, labels = Found(), _labels(folder)
    for image in sorted((folder / "images").iterdir()):
        if image.name.startswith(".") or image.suffix.lower() in DATA_FILES:
            continue
        if not (image.is_dir() or VOLUME_FILE.search(image.name)):
            found.leave_out(image, "is neither a volume file (NIfTI, MetaImage, NRRD) nor a folder of DICOM files")
            continue
        name = _paired_name(image)
        found.cases.append(Case(case_name(name), domain, name, image, labels.pop(name, None)))
    for label in labels.values():
        found.leave_out(label, "has no scan of its name in images/")
    return found


def _labels(folder: Path) -> dict[str, Path]:
    labels: dict[str, Path] = {}
    paths = (folder / "labels").glob("[!.]*")
    for path in sorted(path for path in paths if path.suffix.lower() not in DATA_FILES):
        other = labels.setdefault(_paired_name(path), path)
        if other != path:
            raise ValueError(f"{path} and {other.name} are labels of one name: keep one")
    return labels


def _paired_name(path: Path) -> str:
    return ENDINGS.sub("", stem_of(path))
