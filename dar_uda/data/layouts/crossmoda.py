"""crossMoDA 2021 and 2022 (Zenodo): `crossmoda_1_ceT1.nii.gz`, its `crossmoda_1_Label.nii.gz`, and so on."""

import re
from dataclasses import replace
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found

IMAGE = re.compile(r"(crossmoda(?:20\d\d)?(?:_[a-z]+)?_\d+)_(ceT1|hrT2)\.nii(\.gz)?")


def find(folder: Path, domain: str | None) -> Found:
    """Return the scans below a folder: training sets to train, the validation set to test.

    Raises:
        ValueError: A domain was given: names tell it here.
    """
    if domain is not None:
        raise ValueError(f"crossMoDA's names tell the domain: give the folder {folder} without {domain}=")
    found = Found()
    for image in sorted(folder.rglob("*.nii*")):
        if not (match := IMAGE.fullmatch(image.name)):
            continue
        scan, modality, _ = match.groups()
        label = image.with_name(image.name.replace(modality, "Label"))
        split = "test" if "validation" in image.parent.name.lower() else "train"
        found.cases.append(Case(scan, modality, scan, image, label if label.exists() else None, split))
    _let_target_be_drawn(found)
    return found


def _let_target_be_drawn(found: Found) -> None:
    """Leave the target's split open where no validation set is at hand."""
    if any(case.split == "test" for case in found.cases):
        found.remarks.append("The validation set is for testing; its labels are not public: masks, no scores.")
        return
    found.cases = [replace(case, split=None) if case.domain == "hrT2" else case for case in found.cases]
