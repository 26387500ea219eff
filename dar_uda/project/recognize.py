"""Which layout a folder has, and the cases in it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from dar_uda.data.cases_table import DOMAIN, read_cases_table
from dar_uda.data.layouts.case import Case, Found, case_name, need_folder
from dar_uda.data.layouts.pairing import visible

NAMES_TELL_DOMAIN = ("crossmoda", "schwannoma", "bids")
"""Layouts whose files say of which domain they are."""
SIGNS = (
    ("btcv", re.compile(r"(.*/)?img/img[0-9]{4}\.nii(\.gz)?", re.IGNORECASE)),
    ("chaos", re.compile(r"(.*/)?T2SPIR")),
    ("crossmoda", re.compile(r"(.*/)?crossmoda.*_(ceT1|hrT2)\.nii(\.gz)?")),
    ("schwannoma", re.compile(r"(.*/)?vs_gk_.*_ref.*\.nii(\.gz)?", re.IGNORECASE)),
    ("nnunet", re.compile(r"imagesTr/.*_0000\..*")),
    ("decathlon", re.compile(r"dataset\.json"), re.compile(r"imagesTr")),
    ("bids", re.compile(r"sub-[^/]+/(ses-[^/]+/)?anat")),
    ("folders", re.compile(r"images")),
)
"""The first layout of whose forms each is that of a path below the folder; else `beside`."""


def recognize(folder: Path) -> str:
    """Return the layout of a folder, a key of `dar_uda.data.layouts.table.LAYOUTS`."""
    names = [path.relative_to(folder).as_posix() for path in visible(folder, deep=True)]
    there = (layout for layout, *signs in SIGNS if all(any(map(sign.fullmatch, names)) for sign in signs))
    return next(there, "beside")


def domain_and_place(text: str) -> tuple[str, Path]:
    """Return the parts of `DOMAIN=PLACE`, the place a folder or a cases table.

    Raises:
        ValueError: The text has no such form, or there is nothing at the place.
    """
    domain, _, place = text.partition("=")
    if not place or not DOMAIN.fullmatch(domain):
        raise ValueError(
            f"DAR-400: {text}: expected DOMAIN=FOLDER, such as ct={place or text}; a domain is up to 40 letters and "
            "digits, the name of the kind of scans"
        )
    path = Path(place).absolute()
    return domain, path if path.is_file() else need_folder(path)


def find(domain: str, place: Path) -> tuple[str, Found]:
    """Return what a folder is, and its cases, all of one domain.

    Args:
        place: A folder, or a cases table of which the rows with this domain count.

    Raises:
        ValueError: There is no case of the domain.
    """
    if place.is_file():
        layout, found = "cases table", Found(list(_rows(place)))
    else:
        layout = recognize(place)
        asked = None if layout in NAMES_TELL_DOMAIN else domain
        found = import_module(f"dar_uda.data.layouts.{layout}").find(place, asked)
    there = sorted({case.domain for case in found.cases})
    if domain not in there and len(there) == 1 and layout == "bids":
        found.cases, there = [replace(case, domain=domain) for case in found.cases], [domain]
    if there and domain not in there:
        raise ValueError(f"DAR-402: {place} has no scan of domain {domain}; found {', '.join(there)}: name one of them")
    found.cases = [case for case in found.cases if case.domain == domain]
    if not found.cases:
        reasons = "".join(f"; {path} {reason}" for path, reason in found.left_out[:3])
        raise ValueError(
            f"DAR-401: {place}: found no scan; expected volume files (NIfTI, MetaImage, NRRD) or folders of DICOM "
            f"files, in a layout of `dar-uda cases --help` or side by side with their labels{reasons}"
        )
    return layout, found


def _rows(table: Path) -> Iterator[Case]:
    for row in read_cases_table(table):
        image, label = (table.parent / row[what] if row[what] else None for what in ("image", "label"))
        assert image  # nosec B101 # for mypy: a table has an image in each row
        patient = row["patient"] or row["case"]
        known = bool(row["patient"])
        yield Case(case_name(row["case"]), row["domain"], patient, image, label, row["split"], known)
