"""CHAOS (Zenodo): `Train_Sets/MR/<id>/T2SPIR/DICOM_anon/*.dcm` and `.../Ground/*.png`."""

import re
from pathlib import Path

from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.pairing import visible

TEST = {1, 13, 32, 38}
"""The test cases of the paper and of SIFA."""
SUSPECT = {21, 22, 33}


def find(folder: Path, domain: str | None) -> Found:
    """Return the labeled T2-SPIR below a folder, with the paper's split."""
    found = Found(remarks=["Split of the paper: CHAOS MR 1, 13, 32, 38 are test cases."])
    for patient in sorted({path.parent for path in visible(folder, deep=True) if path.name == "T2SPIR"}, key=_number):
        series, ground = (patient / "T2SPIR" / name for name in ("DICOM_anon", "Ground"))
        if not series.is_dir() or not ground.is_dir():
            missing = next(path for path in (series, ground) if not path.is_dir())
            found.leave_out(patient / "T2SPIR", f"has no {missing.name} folder")
            continue
        number = _number(patient)
        split = "test" if number in TEST else "train"
        found.cases.append(Case(f"chaos{number:02d}", domain or "mr", f"chaos{number}", series, ground, split))
        if number in SUSPECT:
            found.remarks.append(f"CHAOS {number} is known for an image and a label that do not match: look at it.")
        if (patient / "T1DUAL").is_dir():
            found.leave_out(patient / "T1DUAL", "is another sequence; the paper takes T2SPIR")
    return found


def _number(patient: Path) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", patient.name):
        raise ValueError(f"DAR-259: {patient}: expected a folder named by the patient's number, as CHAOS has them")
    return int(patient.name)
