"""nnU-Net v2 (and v1): `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz`, `imagesTs/`, `dataset.json`."""

from pathlib import Path

from dar_uda.data.layouts.case import Case, Found, case_name, domain_name
from dar_uda.data.layouts.description import describe_labels, first_channel, read_description

FIRST = "_0000"


def find(folder: Path, domain: str | None) -> Found:
    """Return the first channel of every case of a dataset folder."""
    description = read_description(folder)
    domain = domain or domain_name(first_channel(folder, description))
    ending = description.get("file_ending", ".nii.gz")
    found = Found(remarks=describe_labels(description))
    for suffix, split in (("Tr", None), ("Ts", "test")):
        for image in sorted((folder / f"images{suffix}").glob(f"*{ending}")):
            stem = image.name.removesuffix(ending)
            if not stem.endswith(FIRST):
                found.leave_out(image, f"is not the first channel ({FIRST}{ending})")
                continue
            patient = stem.removesuffix(FIRST)
            label = folder / f"labels{suffix}" / f"{patient}{ending}"
            label = label if label.exists() else None
            found.cases.append(Case(case_name(patient), domain, patient, image, label, split))
    labels = {label for suffix in ("Tr", "Ts") for label in (folder / f"labels{suffix}").glob(f"*{ending}")}
    for label in sorted(labels - {case.label for case in found.cases}):
        found.leave_out(label, f"is a label without a scan of its name ({FIRST}{ending})")
    return with_published_split(found)


def with_published_split(found: Found) -> Found:
    """Return the findings with all cases outside the test folder in training, where that folder has labels."""
    if any(case.split == "test" and case.label for case in found.cases):
        found.cases = [case if case.split else _training(case) for case in found.cases]
        found.remarks.append("The test folder has labels: all others are training cases.")
    return found


def _training(case: Case) -> Case:
    return Case(case.name, case.domain, case.patient, case.image, case.label, "train")
