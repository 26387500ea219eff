"""TCIA Vestibular-Schwannoma-SEG as the authors' script converts it: `vs_gk_1_t1/vs_gk_t1_refT1.nii.gz` and so on.

(github.com/KCL-BMEIS/VS_Seg, `preprocessing`, without registration.)
"""

import re
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.pairing import pair, visible

MODALITIES = {"t1_refT1": ("ceT1", "refT1"), "t2_refT2": ("hrT2", "refT2")}
FIRST_TEST = 202
"""Patients from here on are the test cases of the dataset's own split."""
NUMBER = re.compile(r"vs_gk_([0-9]+)")
FILE = re.compile(r"vs_gk_(.+_ref[^.]*)\.nii(\.gz)?", re.IGNORECASE)


def find(folder: Path, domain: str | None) -> Found:
    """Return both modalities of all patients below a folder, with the dataset's split.

    Raises:
        ValueError: A domain was given, or a folder does not name its patient.
    """
    if domain is not None:
        raise ValueError(f"DAR-258: The names of the schwannoma set tell the domain: give {folder} without {domain}=")
    found = Found(
        remarks=[
            f"Split of the dataset: patients from {FIRST_TEST} on are test cases; its validation cases train here.",
            "Both scans of a patient are in the table: a translator may see both, unpaired.",
        ]
    )
    scans = {}
    matches = [(path, FILE.fullmatch(path.name)) for path in visible(folder, deep=True)]
    for image, what in ((path, match[1]) for path, match in matches if match):
        if what in MODALITIES:
            scans[image] = MODALITIES[what]
        elif what.startswith("struc"):
            found.leave_out(image, "is one structure of several: the label is vs_gk_seg_ref*.nii.gz, the schwannoma")
        elif not what.startswith("seg"):
            found.leave_out(image, "is registered to the other scan: the scan itself is taken")
    labels = pair({image: _labels_of(image, reference) for image, (_, reference) in scans.items()}, found)
    for image in sorted(scans, key=lambda path: (_number(path), path.name)):
        found.cases.append(_case(image, scans[image][0], labels.get(image)))
    return found


def _labels_of(image: Path, reference: str) -> list[Path]:
    matches = [(path, FILE.fullmatch(path.name)) for path in visible(image.parent)]
    return [path for path, match in matches if match and match[1] == f"seg_{reference}"]


def _case(image: Path, domain: str, label: Path | None) -> Case:
    number = _number(image)
    split = "test" if number >= FIRST_TEST else "train"
    patient = f"vs{number:03d}"
    return Case(patient, domain, patient, image, label, split, patient_is_known=True)


def _number(image: Path) -> int:
    for name in (image.parent.name, image.parent.parent.name):
        if match := NUMBER.match(name):
            return int(match[1])
    raise ValueError(f"DAR-259: {image}: expected a folder such as vs_gk_12_t1 that tells the patient")
