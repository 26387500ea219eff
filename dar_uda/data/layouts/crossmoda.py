"""crossMoDA 2021 and 2022 (Zenodo): `crossmoda_1_ceT1.nii.gz`, its `crossmoda_1_Label.nii.gz`, and so on."""

import re
from dataclasses import replace
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found

FILE = re.compile(r"(crossmoda(?:20\d\d)?(?:_[a-z]+)?_\d+)_(ceT1|hrT2|Label)\.nii(\.gz)?")


def find(folder: Path, domain: str | None) -> Found:
    """Return the scans below a folder: the source's to train, the validation set to test, the others open.

    Raises:
        ValueError: A domain was given: names tell it here.
    """
    if domain is not None:
        raise ValueError(f"crossMoDA's names tell the domain: give the folder {folder} without {domain}=")
    found, labels = Found(), []
    for path in sorted(folder.rglob("*.nii*")):
        if not (match := FILE.fullmatch(path.name)):
            found.leave_out(path, "has no name of crossMoDA's (crossmoda_<n>_{ceT1,hrT2,Label}.nii.gz)")
            continue
        scan, what, _ = match.groups()
        if what == "Label":
            labels.append(path)
            continue
        label = path.with_name(path.name.replace(what, "Label"))
        validation = "validation" in path.parent.name.lower()
        split = "test" if validation else "train" if what == "ceT1" else None
        found.cases.append(Case(scan, what, scan, path, label if label.exists() else None, split))
    for label in set(labels) - {case.label for case in found.cases}:
        found.leave_out(label, "is a label without a scan")
    return found


def settle(found: Found) -> None:
    """Have all open scans train where a validation set is at hand, in whichever of the folders."""
    if any(case.split == "test" for case in found.cases):
        found.remarks.append("The validation set is for testing; its labels are not public: masks, no scores.")
        found.cases = [replace(case, split=case.split or "train") for case in found.cases]
