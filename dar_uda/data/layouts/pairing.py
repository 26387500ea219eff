"""Which label belongs to which scan: the only one that may, or none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from dar_uda.data.layouts.case import Found


def visible(folder: Path, deep: bool = False) -> list[Path]:
    """Return what lies in a folder, or at any depth below it, sorted; empty where the folder does not exist.

    Hidden files and folders do not count: `._scan.nii.gz` of a Mac, `.git`.
    """
    paths = folder.glob("**/*" if deep else "*")
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def pair(candidates: Mapping[Path, Sequence[Path]], found: Found) -> dict[Path, Path]:
    """Return the label of every scan that has one: the only one that may be its label, and that of no other scan.

    Args:
        candidates: For every scan the labels that may be its own.
        found: Takes the scans whose label stays open, with the reason.
    """
    scans = Counter(label for labels in candidates.values() for label in labels)
    pairs = {}
    for image, labels in candidates.items():
        names = ", ".join(label.name for label in labels)
        if len(labels) > 1:
            found.leave_out(image, f"has several label maps ({names}): it stays without one; keep one of them")
        elif labels and scans[labels[0]] > 1:
            reason = f"has a label map ({names}) that may be another scan's"
            found.leave_out(image, f"{reason}: it stays without one; name the label as its scan")
        elif labels:
            pairs[image] = labels[0]
    return pairs
