"""BTCV, "Beyond the Cranial Vault" (Synapse): `img/img0001.nii.gz`, `label/label0001.nii.gz`."""

import re
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found

TEST = {1, 9, 30, 32, 33, 39}
"""The test cases of the paper and of SIFA."""
IMAGE = re.compile(r"img(\d{4})\.nii(\.gz)?")


def find(folder: Path, domain: str | None) -> Found:
    """Return the labelled CT below a folder, with the paper's split."""
    found = Found(remarks=["Split of the paper: BTCV 1, 9, 30, 32, 33, 39 are test cases."])
    for image in sorted(folder.rglob("img*.nii*")):
        if not (match := IMAGE.fullmatch(image.name)):
            continue
        label = image.parent.with_name("label") / image.name.replace("img", "label")
        number = int(match[1])
        if label.exists():
            split = "test" if number in TEST else "train"
            found.cases.append(Case(f"btcv{number:02d}", domain or "ct", f"btcv{number}", image, label, split))
        else:
            found.leave_out(image, f"has no label {label.parent.name}/{label.name}")
    return found
