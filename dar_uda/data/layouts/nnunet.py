"""nnU-Net v2 (and v1): `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz`, `imagesTs/`, `dataset.json`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dar_uda.data.layouts.case import VOLUME_FILE, Case, Found, case_name
from dar_uda.data.layouts.description import describe_labels, domain_of, read_description
from dar_uda.data.layouts.pairing import pair, visible

FIRST = "_0000"
ENDING = re.compile(r"(\.[A-Za-z0-9]+){1,3}")


def find(folder: Path, domain: str | None) -> Found:
    """Return the first channel of every case of a dataset folder."""
    description = read_description(folder)
    domain = domain or domain_of(folder, description)
    ending = _file_ending(folder, description)
    found = Found(remarks=describe_labels(description))
    for suffix, split in (("Tr", None), ("Ts", "test")):
        images = _files(folder / f"images{suffix}", ending, found)
        labels = _files(folder / f"labels{suffix}", ending, found)
        patients = {image: stem.removesuffix(FIRST) for image, stem in images.items() if stem.endswith(FIRST)}
        for image in sorted(images.keys() - patients.keys()):
            found.leave_out(image, f"is not the first channel ({FIRST}{ending})")
        candidates = {
            image: [label for label, stem in labels.items() if stem == patient] for image, patient in patients.items()
        }
        pairs = pair(candidates, found)
        for image, patient in patients.items():
            found.cases.append(Case(case_name(patient), domain, patient, image, pairs.get(image), split))
        for label in sorted(labels.keys() - {label for of_image in candidates.values() for label in of_image}):
            found.leave_out(label, f"is a label without a scan of its name ({FIRST}{ending})")
    return with_published_split(found)


def _file_ending(folder: Path, description: Mapping[str, Any]) -> str:
    ending = description.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ENDING.fullmatch(ending):
        raise ValueError(
            f"DAR-257: {folder}/dataset.json: file_ending is {str(ending)[:60]!r}; expected an ending such as '.nii.gz'"
        )
    return ending


def _files(folder: Path, ending: str, found: Found) -> dict[Path, str]:
    """Return the files with this ending, in capitals or not, with their names without it."""
    files = {}
    for path in visible(folder):
        if path.name.lower().endswith(ending.lower()):
            files[path] = path.name[: -len(ending)]
        elif VOLUME_FILE.search(path.name):
            found.leave_out(path, f"does not end in {ending}, as file_ending of dataset.json says")
    return files


def with_published_split(found: Found) -> Found:
    """Return the findings with all cases outside the test folder in training, where that folder has labels."""
    if any(case.split == "test" and case.label for case in found.cases):
        found.cases = [case if case.split else _training(case) for case in found.cases]
        found.remarks.append("The test folder has labels: all others are training cases.")
    return found


def _training(case: Case) -> Case:
    return Case(case.name, case.domain, case.patient, case.image, case.label, "train")
