"""Checks of all cases of a table, side by side."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dar_uda.data.checks.finding import ABSENT, NOWHERE, SEEN, SHARED_LABEL, TWICE, UNREADABLE, Finding, report
from dar_uda.data.checks.image import Problem
from dar_uda.data.checks.label import problems_of_label_grid, problems_of_label_values
from dar_uda.data.checks.planes import PlacedCase, findings_of_planes
from dar_uda.data.checks.scan import problems_of_scan
from dar_uda.data.grid import Grid
from dar_uda.data.patients import listed
from dar_uda.data.phantom_files import is_phantom
from dar_uda.data.reading import reason_of
from dar_uda.data.splits import is_in
from dar_uda.data.versions import Versions
from dar_uda.data.volume import read_grid, read_volume
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress

Read = tuple[list[Finding], Grid | None]
"""What is wrong with a case, and where its image lies if that can be read."""
KILLED = (
    "the process that read it was killed, as the system does when memory runs out: look at the size of the file and of "
    "its label, crop or resample them, or take a larger machine"
)


@dataclass(frozen=True)
class CaseFiles:
    """A case as its table names it.

    Attributes:
        label: "" where it has none.
        label_values: Whether findings may say what the label holds. Of a label on which no method trains they say
            whether it is a label map, no more: what is in a target's label reaches nothing but its scores.
        patient: "" where the table does not name one, or a run uses the case neither to train nor to test.
        split: Its value in the column, see `splits.GROUPS`, where `patient` is given.
    """

    name: str
    domain: str
    image: str | Path
    label: str | Path
    label_values: bool = True
    patient: str = ""
    split: str = ""


def check_cases(
    cases: Sequence[Mapping[str, Any]],
    windows: Mapping[str, Sequence[float] | None],
    labels: Mapping[str, Sequence[Sequence[int | str]] | None],
    processes: int,
    table: str | Path | None = None,
    slice_axes: Mapping[str, int | None] | None = None,
    versions: str | Path | None = None,
) -> list[str]:
    """Read every case once and return the report of all that is wrong.

    Args:
        cases: The arguments of `CaseFiles`.
        windows: By domain, see `problems_of_values`; a domain that is left out has none.
        labels: By domain, see `problems_of_label_values`; a domain that is left out may have any.
        processes: Cases that are read at a time.
        table: Output, text: the report, written if a run can begin.
        slice_axes: By domain, as configured; None: the config is not known, see `findings_of_planes`.
        versions: The table of `Versions`, which gets a row for every image and label that is not generated.

    Raises:
        ValueError: Something stops a run; the message is the report.
    """
    cases = [CaseFiles(**case) for case in cases]
    by_domain = windows, labels, slice_axes or {}
    jobs = [(case, *(values.get(case.domain) for values in by_domain), versions) for case in cases]
    read = _read_all(jobs, processes)
    grids = [grid for _, grid in read]
    placed = [
        PlacedCase(case.name, case.domain, case.image, grid) for case, grid in zip(cases, grids, strict=True) if grid
    ]
    findings = [*_twice(cases), *_seen_in_training(cases), *findings_of_planes(placed, slice_axes)]
    for found, _ in read:
        findings += found
    findings = [*(finding for finding in findings if finding.kind != ABSENT), *_nowhere(cases, findings)]
    lines = list(report(findings, len(cases)))
    if any(finding.kind.stops for finding in findings):
        raise ValueError("\n".join(["the cases have problems.", *lines]))
    if table:
        with write_beside(table) as partial:
            partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def _read_all(jobs: Sequence[tuple], processes: int) -> list[Read]:
    """Return what `_read` returns for the arguments of every job, with a progress line as they are done."""
    progress = Progress("check_cases", len(jobs), unit="case")
    with ProcessPoolExecutor(max(1, min(processes, len(jobs)))) as pool:
        reads = [_submitted(pool, job) for job in jobs]
        for number, _ in enumerate(as_completed(reads), start=1):
            progress.report(number)
        return [_read_alone(job) if read.exception() else read.result() for job, read in zip(jobs, reads, strict=True)]


def _submitted(pool: ProcessPoolExecutor, job: tuple) -> Future[Read]:
    try:
        return pool.submit(_read, *job)
    except BrokenProcessPool as error:  # an earlier case ended a process
        broken: Future[Read] = Future()
        broken.set_exception(error)
        return broken


def _read_alone(job: tuple) -> Read:
    """Return what `_read` returns in a process of its own: a case that was read beside one that ended the process."""
    case = job[0]
    with ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(_read, *job).result()
        except BrokenProcessPool:
            text = f"DAR-107: {case.image}: {KILLED}"
            return [Finding(UNREADABLE, case.domain, case.name, text)], None


def _read(
    case: CaseFiles,
    window: Sequence[float] | None,
    values: Sequence[Sequence[int | str]] | None,
    slice_axis: int | None,
    versions: str | Path | None,
) -> Read:
    found, grid = findings_of(case, window, values, slice_axis), _grid_of(case)
    if versions and not is_phantom(str(case.image)):
        _note_versions(case, _versions_of(versions))
    return found, grid


@cache
def _versions_of(table: str | Path) -> Versions:
    return Versions(table)


def _note_versions(case: CaseFiles, versions: Versions) -> None:
    """Note what was read, in the process that has just read it: the system still has it in memory."""
    for path, is_label in ((case.image, False), (case.label, True)):
        with suppress(OSError):  # a problem of the file, which is reported
            if path:
                versions.note(str(path), is_label)


def findings_of(
    case: CaseFiles,
    window: Sequence[float] | None,
    values: Sequence[Sequence[int | str]] | None,
    slice_axis: int | None = None,
) -> list[Finding]:
    """Return what is wrong with one case; for the other arguments see `check_cases`."""
    found: list[Finding] = []
    image, label = _problems_of_image(case, window, slice_axis), _problems_of_label(case, values)
    for path, problems in ((case.image, image), (case.label, label)):
        try:
            for kind, text in problems:
                found.append(Finding(kind, case.domain, case.name, text))
        except Exception as error:  # whatever a library raises for one file, the others are checked
            found.append(Finding(UNREADABLE, case.domain, case.name, reason_of(path, error)))
    return found


def _grid_of(case: CaseFiles) -> Grid | None:
    try:
        return read_grid(case.image)
    except Exception:  # a problem of the image, which is reported
        return None


def _nowhere(cases: Sequence[CaseFiles], findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the structures that are absent from every label of a domain that findings may describe."""
    labels = Counter(case.domain for case in cases if case.label and case.label_values)
    absent = Counter((finding.domain, finding.found) for finding in findings if finding.kind == ABSENT)
    for (domain, values), count in absent.items():
        if count == labels[domain]:
            yield Finding(NOWHERE, domain, f"all {count}", f"no voxel of value {values}")


def _problems_of_image(case: CaseFiles, window: Sequence[float] | None, slice_axis: int | None) -> Iterator[Problem]:
    yield from problems_of_scan(Path(case.image), read_volume(case.image), window, slice_axis)


def _problems_of_label(case: CaseFiles, values: Sequence[Sequence[int | str]] | None) -> Iterator[Problem]:
    if not case.label:
        return
    label, image = Path(case.label), Path(case.image)
    grid = _grid_of(case)
    if grid is not None:
        yield from problems_of_label_grid(label, image, grid, case.name)
    if grid is not None or not label.is_dir():
        yield from problems_of_label_values(label, image, values, describe=case.label_values)


def _twice(cases: Sequence[CaseFiles]) -> Iterator[Finding]:
    """Yield the cases whose image, or label, is that of another case."""
    for what, kind in (("image", TWICE), ("label", SHARED_LABEL)):
        files = [(case, getattr(case, what)) for case in cases if getattr(case, what)]
        counts = Counter(os.path.realpath(file) for _, file in files)
        for case, file in files:
            if counts[os.path.realpath(file)] > 1:
                yield Finding(kind, case.domain, case.name, str(file))


def _seen_in_training(cases: Sequence[CaseFiles]) -> Iterator[Finding]:
    """Yield the test cases whose patient has training cases in another domain."""
    training: dict[str, list[CaseFiles]] = defaultdict(list)
    for case in cases:
        if case.patient and is_in(case.split, "train"):
            training[case.patient].append(case)
    for case in cases:
        tested = training[case.patient] if is_in(case.split, "test") else []
        if others := [f"{other.domain}/{other.name}" for other in tested if other.domain != case.domain]:
            yield Finding(SEEN, case.domain, case.name, f"of the same patient as {listed(others)}")
