"""Checks of all cases of a table, side by side."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dar_uda.data.checks.finding import (
    ABSENT,
    NOWHERE,
    OTHER_PLANE,
    SHARED_LABEL,
    TWICE,
    UNREADABLE,
    Finding,
    report,
)
from dar_uda.data.checks.image import Problem, problems_of_grid, problems_of_values
from dar_uda.data.checks.label import problems_of_label_grid, problems_of_label_values
from dar_uda.data.files import write_beside
from dar_uda.data.geometry import slice_axis_of
from dar_uda.data.volume import read_grid, read_volume
from dar_uda.training.progress import Progress

PLANES = ("sagittal", "coronal", "axial")
"""By the world axis (x, y, z) that the slices follow."""


@dataclass(frozen=True)
class CaseFiles:
    """A case as its table names it.

    Attributes:
        label: "" where it has none.
        label_values: Whether findings may say what the label holds. Of a label on which no method trains they say
            whether it is a label map, no more: what is in a target's label reaches nothing but its scores.
    """

    name: str
    domain: str
    image: str | Path
    label: str | Path
    label_values: bool = True


def check_cases(
    cases: Sequence[Mapping[str, Any]],
    windows: Mapping[str, Sequence[float] | None],
    labels: Mapping[str, Sequence[Sequence[int]] | None],
    processes: int,
    table: str | Path | None = None,
) -> list[str]:
    """Read every case once and return the report of all that is wrong.

    Args:
        cases: The arguments of `CaseFiles`.
        windows: By domain, see `problems_of_values`; a domain that is left out has none.
        labels: By domain, see `problems_of_label_values`; a domain that is left out may have any.
        processes: Cases that are read at a time.
        table: Output, text: the report, written if a run can begin.

    Raises:
        ValueError: Something stops a run; the message is the report.
    """
    cases = [CaseFiles(**case) for case in cases]
    read = _read_all(cases, windows, labels, processes)
    findings = [*_twice(cases), *_other_planes(cases, [plane for _, plane in read])]
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


def _read_all(
    cases: Sequence[CaseFiles], windows: Mapping[str, Any], labels: Mapping[str, Any], processes: int
) -> list[tuple[list[Finding], str | None]]:
    """Return what `findings_of` and `plane_of` say of every case, with a progress line as they are done."""
    progress = Progress("check_cases", len(cases), unit="case")
    with ProcessPoolExecutor(max(1, min(processes, len(cases)))) as pool:
        jobs = [pool.submit(_read, case, windows.get(case.domain), labels.get(case.domain)) for case in cases]
        try:
            for number, job in enumerate(as_completed(jobs)):
                job.result()
                progress.report(number + 1)
        except BrokenProcessPool as error:
            raise ValueError(
                "a process that read cases was killed, as the system does when memory runs out: check fewer at a time "
                "(--cores 1, dar-uda check --processes 1)"
            ) from error
        return [job.result() for job in jobs]


def _read(
    case: CaseFiles, window: Sequence[float] | None, values: Sequence[Sequence[int]] | None
) -> tuple[list[Finding], str | None]:
    return findings_of(case, window, values), plane_of(case)


def findings_of(
    case: CaseFiles, window: Sequence[float] | None, values: Sequence[Sequence[int]] | None
) -> list[Finding]:
    """Return what is wrong with one case; for `window` and `values` see `check_cases`."""
    found: list[Finding] = []
    for problems in (_problems_of_image(case, window), _problems_of_label(case, values)):
        try:
            for kind, text in problems:
                found.append(Finding(kind, case.domain, case.name, text))
        except MemoryError:
            text = f"{case.image} and its label do not fit into memory: check fewer cases at a time"
            found.append(Finding(UNREADABLE, case.domain, case.name, text))
        except (ValueError, OSError) as error:
            found.append(Finding(UNREADABLE, case.domain, case.name, str(error)))
    return found


def plane_of(case: CaseFiles) -> str | None:
    """Return in which plane a scan's slices lie: axial, coronal or sagittal; None where it cannot be read."""
    try:
        affine = read_grid(case.image).affine
    except (ValueError, OSError):
        return None
    return PLANES[int(np.argmax(np.abs(affine[:3, slice_axis_of(affine)])))]


def _other_planes(cases: Sequence[CaseFiles], planes: Sequence[str | None]) -> Iterator[Finding]:
    """Yield the cases whose plane is not that of most cases of their domain."""
    for domain in dict.fromkeys(case.domain for case in cases):
        own = [(case, plane) for case, plane in zip(cases, planes, strict=True) if case.domain == domain and plane]
        usual = Counter(plane for _, plane in own).most_common(1)
        for case, plane in own:
            if plane != usual[0][0]:
                text = f"{case.image} has {plane} slices, most have {usual[0][0]} ones"
                yield Finding(OTHER_PLANE, domain, case.name, text)


def _nowhere(cases: Sequence[CaseFiles], findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the structures that are absent from every label of a domain that findings may describe."""
    labels = Counter(case.domain for case in cases if case.label and case.label_values)
    absent = Counter((finding.domain, finding.found) for finding in findings if finding.kind == ABSENT)
    for (domain, values), count in absent.items():
        if count == labels[domain]:
            yield Finding(NOWHERE, domain, f"all {count}", f"no voxel of value {values}")


def _problems_of_image(case: CaseFiles, window: Sequence[float] | None) -> Iterator[Problem]:
    volume = read_volume(case.image)
    yield from problems_of_grid(Path(case.image), volume.grid)
    yield from problems_of_values(Path(case.image), volume.array, window)


def _problems_of_label(case: CaseFiles, values: Sequence[Sequence[int]] | None) -> Iterator[Problem]:
    if not case.label:
        return
    label, image = Path(case.label), Path(case.image)
    try:
        grid = read_grid(image)
    except (ValueError, OSError):  # the image's own problem, which is reported; the label's grid cannot be compared
        grid = None
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
