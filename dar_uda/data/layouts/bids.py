"""BIDS: `sub-*/anat/sub-*_{T1w,T2w,...}.nii.gz`, labels in `derivatives/*/sub-*/anat/*_dseg.nii.gz`."""

import re
from pathlib import Path

from dar_uda.data.geometry import check_same_grid
from dar_uda.data.layouts.case import Case, Found, case_name
from dar_uda.data.volume import read_grid

SCAN = re.compile(r"(sub-[A-Za-z0-9]+)((?:_[a-z]+-[A-Za-z0-9]+)*)_([A-Za-z0-9]+)\.nii(\.gz)?")
LABEL = "dseg"


def find(folder: Path, domain: str | None) -> Found:
    """Return the anatomical scans of a dataset; the suffix (T1w, T2w, ...) is the domain.

    Args:
        domain: Only scans with this suffix; None: all.
    """
    found = Found()
    labels = sorted(folder.glob(f"derivatives/**/anat/sub-*_{LABEL}.nii*"))
    for image in sorted([*folder.glob("sub-*/anat/*.nii*"), *folder.glob("sub-*/ses-*/anat/*.nii*")]):
        match = SCAN.fullmatch(image.name)
        if not match:
            found.leave_out(image, "has no BIDS name (sub-<label>[_<key>-<value>]_<suffix>.nii.gz)")
        elif domain in (None, match[3]):
            subject, entities, suffix, _ = match.groups()
            name = case_name(subject + entities)
            found.cases.append(Case(name, suffix, subject, image, _label_of(image, labels, found)))
    return found


def _label_of(image: Path, labels: list[Path], found: Found) -> Path | None:
    """Return the label map of a scan: of its subject and session, naming its suffix or else on its grid.

    Of several, those with all of the scan's entities (`run-1`, `acq-x`).
    """
    suffix, session = _parts(image)[-1], re.search(r"_ses-[A-Za-z0-9]+", image.name)
    own = [path for path in labels if _parts(path)[0] == _parts(image)[0]]
    own = [path for path in own if session is None or session[0] in path.name]
    named = [path for path in own if re.search(rf"[_-]{suffix}(_|\.)", path.name)]
    own = named or [path for path in own if _shares_grid(image, path)]
    own = [path for path in own if set(_parts(image)[:-1]) <= set(_parts(path))] or own
    if len(own) > 1:
        names = ", ".join(path.name for path in own)
        found.leave_out(image, f"has several label maps ({names}): it stays without one; keep one of them")
        return None
    return own[0] if own else None


def _parts(path: Path) -> list[str]:
    """Return subject, entities and suffix of a BIDS name."""
    return path.name.split(".")[0].split("_")


def _shares_grid(image: Path, label: Path) -> bool:
    try:
        check_same_grid(read_grid(image), read_grid(label), image.name)
    except ValueError:
        return False
    return True
