"""Which label belongs to which scan: the only one that may, or none."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from dar_uda.data.layouts.case import Found


def visible(folder: Path, deep: bool = False) -> list[Path]:
    """Return what lies in a folder, or at any depth below it, sorted; empty where the folder does not exist.

    Hidden files and folders do not count: `._scan.nii.gz` of a Mac, `.git`. Links to folders are followed, to each
    folder once, and not to one that holds this folder.
    """
    if not deep:
        return sorted(path for path in folder.glob("*") if not path.name.startswith("."))
    home, seen, found, starts = folder.resolve(), set(), [], [folder]
    for start in starts:  # grows by the links that are found
        for root, folders, files in os.walk(start):
            place = Path(root).resolve()
            if place in seen or (start != folder and home.is_relative_to(place)):
                folders.clear()
                continue
            seen.add(place)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [Path(root, name) for name in (*folders, *files) if not name.startswith(".")]
            starts += [link for link in (Path(root, name) for name in folders) if link.is_symlink()]
    return sorted(found)


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
            found.leave_out(
                image, f"has several label maps ({names}): it stays without one; keep one of them (DAR-262)"
            )
        elif labels and scans[labels[0]] > 1:
            reason = f"has a label map ({names}) that may be another scan's"
            found.leave_out(image, f"{reason}: it stays without one; name the label as its scan (DAR-262)")
        elif labels:
            pairs[image] = labels[0]
    return pairs
