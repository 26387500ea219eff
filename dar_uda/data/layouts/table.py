"""From folders of a layout to a cases table."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from dar_uda.data.cases_table import (
    COLUMNS,
    CONTROL,
    DOMAIN,
    NOTHING,
    REQUIRED,
    further_columns,
    read_cases_table,
    refusal_of,
)
from dar_uda.data.formulas import FORMULAS
from dar_uda.data.layouts.case import Case, Found, need_folder
from dar_uda.data.layouts.check import problem_of
from dar_uda.data.layouts.split import draw_split
from dar_uda.data.patients import problems_of_split
from dar_uda.data.splits import is_in
from dar_uda.jobs.files import check_writable, turn, write_beside

LISTED = 8
LAYOUTS = {
    "btcv": "BTCV (Synapse): CT of the abdomen",
    "chaos": "CHAOS (Zenodo): T2-SPIR MR of the abdomen, DICOM and PNG",
    "crossmoda": "crossMoDA 2021 or 2022 (Zenodo): ceT1 and hrT2",
    "schwannoma": "TCIA Vestibular-Schwannoma-SEG, converted: ceT1 and hrT2",
    "nnunet": "nnU-Net dataset folder",
    "decathlon": "Medical Segmentation Decathlon task folder",
    "bids": "BIDS dataset",
    "dicom": "folders of DICOM series at any depth, by series description",
    "folders": "plain images/ and labels/, paired by name",
    "beside": "images and labels in one folder, paired by name; DICOM folders",
}


def find_cases(layout: str, folders: Sequence[str], series: Sequence[tuple[str, str]] = ()) -> Found:
    """Return what a layout finds in folders, without cases whose files do not fit together.

    Args:
        layout: A key of `LAYOUTS`.
        folders: `FOLDER` or `DOMAIN=FOLDER`.
        series: Of layout `dicom`: domains, and patterns of the descriptions of their series.

    Raises:
        ValueError: A folder holds no case of the layout.
    """
    module = import_module(f"dar_uda.data.layouts.{layout}")
    if series and layout != "dicom":
        raise ValueError(f"DAR-445: --series goes with layout dicom; {layout} finds its scans by their names")
    options = {"series": series, "patients": module.Patients()} if layout == "dicom" else {}
    together = Found()
    for text in folders:
        domain, folder = _domain_and_folder(text)
        found = module.find(need_folder(Path(folder).absolute()), domain, **options)
        problems = {case: _unwritable(case) or problem_of(case) for case in found.cases}
        found.left_out += [(case.image, problem) for case, problem in problems.items() if problem]
        found.cases = [case for case, problem in problems.items() if problem is None]
        if not found.cases:
            reasons = "".join(printable(f"; {path} {reason}") for path, reason in found.left_out[:3])
            files = module.__doc__.partition("\n")[0].removesuffix(".")
            raise ValueError(f"DAR-251: {folder}: found no case of the layout {layout}; expected {files}{reasons}")
        together.left_out += found.left_out
        together.remarks += [remark for remark in found.remarks if remark not in together.remarks]
        together.cases += found.cases
    return together


def _settle(layout: str, found: Found, rows: Sequence[dict[str, str]]) -> None:
    """Let a layout that numbers its patients do so, with numbers that no row of a table has."""
    module = import_module(f"dar_uda.data.layouts.{layout}")
    if hasattr(module, "settle"):
        module.settle(found, [row[key] for row in rows for key in ("case", "patient")])


def _domain_and_folder(text: str) -> tuple[str | None, str]:
    """Return the parts of `FOLDER` or `DOMAIN=FOLDER`; a path may hold `=` itself.

    Raises:
        ValueError: What stands before `=` is not a domain.
    """
    domain, equals, folder = text.partition("=")
    if not equals or "/" in domain or (Path(text).is_dir() and not Path(folder).is_dir()):
        return None, text
    if not DOMAIN.fullmatch(domain):
        raise ValueError(
            f"DAR-256: {text}: found the domain {domain!r}; a domain is letters and digits, up to 40: write it as in "
            f"{re.sub('[^A-Za-z0-9]', '', domain)[:40] or 'ct'}={folder}"
        )
    return domain, folder


def _unwritable(case: Case) -> str | None:
    """Return why a cases table cannot hold a case; None where it can."""
    files = [str(path) for path in (case.image, case.label) if path]
    for file in files:
        try:
            file.encode("utf-8")
        except UnicodeEncodeError:
            return f"the name {printable(file)} is not UTF-8: rename it (DAR-265)"
        if file != file.rstrip():
            return f"the name {file!r} ends with a space: rename it (DAR-265)"
    row = {"case": case.name, "domain": case.domain, "image": files[0], "label": files[-1], "split": "train"}
    problem = refusal_of(row | {"patient": ""})
    return problem and f"{problem}: rename it"


def write_cases(
    layout: str,
    folders: Sequence[str],
    table: str | Path,
    append: bool,
    test_fraction: float,
    seed: int,
    series: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Write the cases table of a dataset; return a report: what was found, left out and why.

    Nothing is copied: the table holds the files' paths, relative to it where they lie below its folder.

    Args:
        append: Keep the rows that the table has.
        test_fraction: Fraction of the patients to test where no split is published.
        seed: Of that draw.
        series: See `find_cases`.

    Raises:
        ValueError: See `find_cases`; the table exists and `append` is not set; it has other columns.
    """
    table = Path(table).absolute()
    _rows_before(table, append)  # a table that is wrong ends the command before the search
    found = find_cases(layout, folders, series)
    check_writable(table.parent)
    with turn(table):
        before = _rows_before(table, append)
        _settle(layout, found, before)
        known = _with_known_patients(found.cases, before)
        drawn = sum(case.split is None for case in known)
        cases = draw_split(known, test_fraction, seed)
        rows = before + [row_of(case, table.parent) for case in cases]
        check_names([(row["domain"], row["case"], row["image"]) for row in rows])
        _check_patients(rows)
        write_rows(table, rows)
    if drawn:
        found.remarks.append(f"Split of {drawn} cases drawn by patient: {test_fraction:g} to test, seed {seed}.")
    return [*_report(cases, found), *_lacking(rows), f"Written: {table} ({len(rows)} cases)"]


def write_rows(table: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write the rows of a cases table, with the column `patient` if a row has one."""
    columns = COLUMNS if any(row["patient"] for row in rows) else REQUIRED
    with write_beside(table) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        plain = {"quoting": csv.QUOTE_NONE, "quotechar": None, "extrasaction": "ignore"}
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", **plain)
        writer.writeheader()
        writer.writerows(rows)


def _with_known_patients(cases: Sequence[Case], rows: Sequence[dict[str, str]]) -> list[Case]:
    """Return the cases, those whose patient has a case in the table on its side of the split.

    Cases of one name are of one patient. The side of split `both` is training: that a case also tests, the user says.
    """
    sides = [(row, "train" if is_in(row["split"], "train") else row["split"]) for row in rows]
    of_names = {row["case"]: side for row, side in sides}
    of_patients = {case.patient: of_names[case.name] for case in cases if case.name in of_names}
    of_patients |= {row["patient"] or row["case"]: side for row, side in sides}
    return [replace(case, split=case.split or of_patients.get(case.patient)) for case in cases]


def _report(cases: Sequence[Case], found: Found) -> Iterator[str]:
    for domain in sorted({case.domain for case in cases}):
        own = [case for case in cases if case.domain == domain]
        counts = Counter((case.split, case.label is not None) for case in own)
        parts = [
            f"{counts[split, True] + counts[split, False]} to {split} ({counts[split, True]} with a label)"
            for split in ("train", "test")
        ]
        yield f"{domain}: {', '.join(parts)}"
    if found.left_out:
        yield "Left out:"
        yield from (printable(f"  {path}: {reason}") for path, reason in found.left_out)
    yield from found.remarks


def _lacking(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield what domains without cases of a split cannot be."""
    for domain in sorted({row["domain"] for row in rows}):
        splits = [row["split"] for row in rows if row["domain"] == domain]
        if not any(is_in(split, "train") for split in splits):
            yield f"WARNING: domain {domain} has no case to train: no training can read it (DAR-253)"
        if not any(is_in(split, "test") for split in splits):
            yield f"Domain {domain} has no case to test: it can be a source, not a target (DAR-253)"


def row_of(case: Case, folder: Path) -> dict[str, str]:
    """Return a case as a row of a cases table in a folder."""
    paths = {"image": case.image, "label": case.label}
    named = {key: _path_from(folder, path) if path else "" for key, path in paths.items()}
    patient = case.patient if case.patient_is_known else ""
    return {"case": case.name, "domain": case.domain, **named, "split": case.split or "", "patient": patient}


def _path_from(folder: Path, path: Path) -> str:
    """Return a path as the table writes it: relative below its folder, unless a reader would take that otherwise."""
    relative = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    taken_otherwise = relative != relative.strip() or relative.lower() in NOTHING or relative.startswith(FORMULAS)
    return str(path) if taken_otherwise else relative


def _rows_before(table: Path, append: bool) -> list[dict[str, str]]:
    """Return the rows that a table has and keeps."""
    if not table.exists():
        return []
    if not append:
        raise ValueError(f"DAR-266: {table} exists: give --append to add to it, or another name")
    return _rows_to_keep(table)


def _rows_to_keep(table: Path) -> list[dict[str, str]]:
    if further := further_columns(table):
        raise ValueError(
            f"DAR-267: {table} has the columns {', '.join(further)} too, which would be lost: add the rows by hand"
        )
    return read_cases_table(table)


def check_names(cases: Sequence[tuple[str, str, str | Path]]) -> None:
    """Raise where two cases of a domain have one name.

    Args:
        cases: Domain, name and image of each.
    """
    images = defaultdict(list)
    for domain, name, image in cases:
        images[domain, name].append(printable(image))
    for (domain, name), paths in images.items():
        if len(paths) > 1:
            raise ValueError(
                f"DAR-268: Case {name} of domain {domain} is there {len(paths)} times: {', '.join(paths[:LISTED])}. "
                "Rename all but one of these files, and their labels alike; or give the datasets different domains, "
                "or one alone"
            )


def _check_patients(rows: Sequence[dict[str, str]]) -> None:
    if problems := list(problems_of_split(rows)):
        raise ValueError("\n  ".join(["Patients would have cases in both splits:", *problems]))


def printable(path: str | Path) -> str:
    """Return a path as text for any terminal and table: what is not UTF-8, and control characters, are escaped."""
    text = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return CONTROL.sub(lambda match: repr(match[0])[1:-1], text)
