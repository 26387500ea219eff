"""Folders of DICOM files at any depth, one series each, with the SEG and RTSTRUCT that were drawn on them."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from dar_uda.data.dicom.tree import Patients, SeriesFiles, series_below
from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.pairing import pair, visible

NUMBERED = re.compile(r"p([0-9]{3,9})(_[0-9]+)?")
"""A patient, and a case, that this layout has named."""


def find(folder: Path, domain: str | None, series: Sequence[tuple[str, str]], patients: Patients) -> Found:
    """Return the series below a folder whose descriptions fit, each with the label that was drawn on it.

    Args:
        domain: Of the folder; None: the patterns tell.
        series: Domains and the patterns of their descriptions, see `fits`; none: all series of images are of `domain`.
        patients: Whose numbers go on from folder to folder.

    Raises:
        ValueError: Nothing tells the domain.
    """
    wanted = [one for one in series if domain in (None, one[0])] or ([(domain, "*")] if domain and not series else [])
    if not wanted:
        raise ValueError(
            f"DAR-443: {folder}: nothing says which series are of which domain: give --series, as in --series "
            "ct='*venous*' mr='*t2*spir*'; `dar-uda inspect` lists the descriptions"
        )
    every = list(series_below([folder, *(path for path in visible(folder, deep=True) if path.is_dir())], patients))
    found, scans = Found(), {}
    for one in every:
        domains = [name for name, pattern in wanted if not one.kind and fits(one.description, pattern)]
        if len(set(domains)) > 1:
            found.leave_out(one.path, f"its description fits {' and '.join(sorted(set(domains)))} (DAR-443)")
        elif domains:
            scans[one.path] = one, domains[0]
    for path in [path for path, (one, _) in scans.items() if _shared(one, every)]:
        del scans[path]
        found.leave_out(path, "holds files of several series: give each a folder of its own (DAR-444)")
    drawn = [one for one in every if one.kind]
    labels = pair(
        {path: [label.path for label in drawn if one.uid in label.drawn_on] for path, (one, _) in scans.items()}, found
    )
    for path, (one, name) in scans.items():
        patient = f"p{one.patient:03d}"
        found.cases.append(Case(patient, name, patient, path, labels.get(path), patient_is_known=True))
    return found


def settle(found: Found, taken: Sequence[str]) -> None:
    """Give each case a name of its own, and patients numbers that a table does not have.

    Args:
        taken: Patients and cases of the table.
    """
    patients: dict[str, str] = {}
    first = 1 + max((int(match[1]) for name in taken if (match := NUMBERED.fullmatch(name))), default=0)
    counts: Counter[tuple[str, str]] = Counter()
    cases = []
    for case in found.cases:
        patient = patients.setdefault(case.patient, f"p{first + len(patients):03d}")
        counts[case.domain, patient] += 1
        number = counts[case.domain, patient]
        cases.append(replace(case, name=patient if number == 1 else f"{patient}_{number}", patient=patient))
    found.cases = cases
    found.remarks.append(
        f"Patients are told apart by PatientID, or by study where it is empty: found {len(patients)}. Nothing else of "
        "them is in the table, unless the folders say it."
    )


def fits(description: str, pattern: str) -> bool:
    """Return whether a description is as a pattern says: `*` is any text, capital and small letters are the same."""
    return fnmatchcase(description.casefold(), pattern.casefold())


def _shared(one: SeriesFiles, every: Sequence[SeriesFiles]) -> bool:
    """Return whether a folder that would be read as a series holds other files too."""
    return one.path == one.folder and sum(other.folder == one.folder for other in every) > 1


def listing(folder: Path) -> list[str]:
    """Return a line for each series below a folder: its place, what it is, its description and its files."""
    folders = [folder, *(path for path in visible(folder, deep=True) if path.is_dir())]
    every = list(series_below(folders, Patients()))
    places = defaultdict(list)
    for one in every:
        places[one.uid].append(str(one.path))
    lines = []
    for one in every:
        what = (
            one.kind
            or f"{one.modality or 'no modality'}, {len(one.files)} {'file' if len(one.files) == 1 else 'files'}"
        )
        on = ", ".join(place for uid in sorted(one.drawn_on) for place in places.get(uid, ()))
        lines.append(f"{one.path}: {what}, {one.description or 'no description'}{f', drawn on {on}' if on else ''}")
    return lines
