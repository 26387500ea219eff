"""Medical Segmentation Decathlon: `dataset.json` lists `training: [{image, label}]` and `test: [image]`."""

from pathlib import Path

from dar_uda.data.layouts.case import Case, Found, case_name, stem_of
from dar_uda.data.layouts.description import describe_labels, domain_of, lies_within, listed_files, read_description
from dar_uda.data.layouts.pairing import pair


def find(folder: Path, domain: str | None) -> Found:
    """Return the cases that a task folder's `dataset.json` lists."""
    description = read_description(folder)
    domain = domain or domain_of(folder, description)
    found = Found(remarks=describe_labels(description))
    listed = [(image, label, None) for image, label in listed_files(folder, description, "training")]
    listed += [(image, None, "test") for image, _ in listed_files(folder, description, "test")]
    scans, candidates = [], {}
    for image, label, split in listed:
        path, label = folder / image, folder / label if label else None
        absent = next((file for file in (path, label) if file and not file.exists()), None)
        outside = next((file for file in (path, label) if file and not lies_within(file, folder)), None)
        if outside:
            found.leave_out(
                path,
                f"is listed in dataset.json, but {outside.name} lies outside of {folder} (DAR-520): if it is yours, "
                "write its row into the cases table",
            )
        elif path.name.startswith("."):
            found.leave_out(path, "is listed in dataset.json, but is a hidden file")
        elif absent:
            found.leave_out(path, f"is listed in dataset.json, but {absent.name} is not there")
        else:
            scans.append((path, split))
            candidates.setdefault(path, []).extend([label] if label else [])
    labels = pair(candidates, found)
    for path, split in scans:
        name = stem_of(path)
        found.cases.append(Case(case_name(name), domain, name, path, labels.get(path), split))
    return found
