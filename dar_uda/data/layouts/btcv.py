"""BTCV, "Beyond the Cranial Vault" (Synapse): `img/img0001.nii.gz`, `label/label0001.nii.gz`."""

import re
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.pairing import pair, visible

TEST = {1, 9, 30, 32, 33, 39}
"""The test cases of the paper and of SIFA."""
FILE = re.compile(r"(img|label)([0-9]{4})\.nii(\.gz)?", re.IGNORECASE)


def find(folder: Path, domain: str | None) -> Found:
    """Return the labeled CT below a folder, with the paper's split."""
    found = Found(remarks=["Split of the paper: BTCV 1, 9, 30, 32, 33, 39 are test cases."])
    matches = {path: match for path in visible(folder, deep=True) if (match := FILE.fullmatch(path.name))}
    numbers = {path: int(match[2]) for path, match in matches.items() if match[1].lower() == "img"}
    candidates = {image: _labels_of(image, number) for image, number in numbers.items()}
    labels = pair(candidates, found)
    for image, number in numbers.items():
        if image in labels:
            split = "test" if number in TEST else "train"
            case = Case(f"btcv{number:02d}", domain or "ct", f"btcv{number}", image, labels[image], split)
            found.cases.append(case)
        elif not candidates[image]:
            found.leave_out(image, f"has no label label/label{number:04d}.nii.gz")
    return found


def _labels_of(image: Path, number: int) -> list[Path]:
    matches = [(path, FILE.fullmatch(path.name)) for path in visible(image.parent.with_name("label"))]
    return [path for path, match in matches if match and match[1].lower() == "label" and int(match[2]) == number]
