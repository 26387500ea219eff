"""crossMoDA 2021 and 2022 (Zenodo): `crossmoda_1_ceT1.nii.gz`, its `crossmoda_1_Label.nii.gz`, and so on."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.pairing import pair, visible

FILE = re.compile(r"(crossmoda(?:20[0-9]{2})?(?:_[a-z]+)?_[0-9]+)_(ceT1|hrT2|Label)(?i:\.nii(\.gz)?)")
NIFTI = re.compile(r".*\.nii(\.gz)?", re.IGNORECASE)


def find(folder: Path, domain: str | None) -> Found:
    """Return the scans below a folder: the source's to train, the validation set to test, the others open.

    Raises:
        ValueError: A domain was given: names tell it here.
    """
    if domain is not None:
        raise ValueError(f"DAR-258: crossMoDA's names tell the domain: give the folder {folder} without {domain}=")
    found, labels, scans = Found(), defaultdict(list), {}
    for path in filter(lambda path: NIFTI.fullmatch(path.name), visible(folder, deep=True)):
        if not (match := FILE.fullmatch(path.name)):
            found.leave_out(path, "has no name of crossMoDA's (crossmoda_<n>_{ceT1,hrT2,Label}.nii.gz)")
        elif match[2] == "Label":
            labels[path.parent, match[1]].append(path)
        else:
            scans[path] = match[1], match[2]
    candidates = {path: labels.get((path.parent, scan), []) for path, (scan, _) in scans.items()}
    pairs = pair(candidates, found)
    for path, (scan, what) in scans.items():
        validation = "validation" in path.parent.name.lower()
        split = "test" if validation else "train" if what == "ceT1" else None
        found.cases.append(Case(scan, what, scan, path, pairs.get(path), split))
    known = {label for of_scan in candidates.values() for label in of_scan}
    for label in sorted({label for of_scan in labels.values() for label in of_scan} - known):
        found.leave_out(label, "is a label without a scan")
    return found


def settle(found: Found, _taken: Sequence[str] = ()) -> None:
    """Have all open scans train where a validation set is at hand, in whichever of the folders."""
    if any(case.split == "test" for case in found.cases):
        found.remarks.append("The validation set is for testing; its labels are not public: masks, no scores.")
        found.cases = [replace(case, split=case.split or "train") for case in found.cases]
