"""What headers, values and labels of cases say: each case is read once, several at a time."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.checks.finding import UNREADABLE, Finding
from dar_uda.data.checks.image import Problem, problems_of_grid, problems_of_values
from dar_uda.data.checks.label import problems_of_label_grid, problems_of_label_values
from dar_uda.data.dicom.header import is_dicom, read_header
from dar_uda.data.geometry import canonical_axes, reorder_like, spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.label_numbers import is_drawn
from dar_uda.data.layouts.case import Case
from dar_uda.data.reading import reason_of
from dar_uda.data.volume import Volume, read_label, read_volume
from dar_uda.jobs.progress import Bar
from dar_uda.preprocessing.body import LONGEST_SIDE, body_extent
from dar_uda.preprocessing.intensity import levels_of, window_of, without_fill
from dar_uda.project.measures import Extent, extents_of, range_of, three

PERCENTILE = 99.5


@dataclass(frozen=True, eq=False)
class Facts:
    """What one case says.

    Attributes:
        grid: Of the image; None where it cannot be read, and then `findings` say why.
        spacing, sides: mm per voxel and of the whole, along (width, height, depth) of the canonical layout.
        modality: That of a DICOM header, else "".
        air: The second percentile of the values without a constant fill.
        foreground: Darkest and brightest value of what is brighter than air.
        body: Width and height of the body in mm; None where none is found.
        values: The values in the label but 0.
        structures: Of a source's label, by value.
        digest: The same for scans with the same values.
    """

    case: Case
    findings: Sequence[Finding]
    grid: Grid | None = None
    spacing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sides: tuple[float, float, float] = (0.0, 0.0, 0.0)
    slices: int = 0
    modality: str = ""
    air: float = 0.0
    foreground: tuple[float, float] = (0.0, 0.0)
    body: tuple[float, float] | None = None
    values: Sequence[int] = ()
    structures: dict[int, Extent] = field(default_factory=dict)
    digest: str = ""


def survey(
    cases: Sequence[Case], source: str, processes: int, values: Mapping[str, Sequence[Sequence[int]]]
) -> list[Facts]:
    """Read every case once and return what it says, with a progress line.

    Args:
        source: The domain whose labels are measured. Of another domain's labels nothing but their values is noted.
        processes: Cases that are read at a time.
        values: Of every structure in the labels, by domain: of a SEG or RTSTRUCT no others are drawn.

    Raises:
        ValueError: The system killed a process that read.
    """
    progress, facts = Bar("reading scans", len(cases), unit="case"), []
    try:
        of_cases = [case.domain == source for case in cases], [values[case.domain] for case in cases]
        for one in _read_all(cases, *of_cases, min(processes, len(cases))):
            facts.append(one)
            progress.report(len(facts))
    except BrokenProcessPool as error:
        raise ValueError(
            f"DAR-417: A process was killed while it read a scan, as the system does when memory runs out; "
            f"{len(facts)} of {len(cases)} scans were read: leave out very large scans, or use a larger machine"
        ) from error
    return facts


def _read_all(
    cases: Sequence[Case], are_source: Sequence[bool], values: Sequence[Sequence[Sequence[int]]], processes: int
) -> Iterator[Facts]:
    if processes < 2:
        yield from map(read_facts, cases, are_source, values)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(read_facts, cases, are_source, values)


def read_facts(case: Case, is_source: bool, values: Sequence[Sequence[int]]) -> Facts:
    """Return what a case says; where it cannot be read, why."""
    found: list[Finding] = []
    path = case.image
    try:
        volume = read_volume(case.image)
        problems = [*problems_of_grid(path, volume.grid), *problems_of_values(path, volume.array, None)]
        path = case.label or path
        label = _label_of(case, volume.grid, problems, values)
        found += [Finding(kind, case.domain, case.name, text) for kind, text in problems]
        if any(finding.kind.stops for finding in found):
            return Facts(case, found, volume.grid)
        return _facts(case, found, volume, label, is_source)
    except Exception as error:  # whatever a library raises for one file, the others are read
        text = reason_of(path, error)
        return Facts(case, [*found, Finding(UNREADABLE, case.domain, case.name, text)])


def _label_of(
    case: Case, grid: Grid, problems: list[Problem], values: Sequence[Sequence[int]]
) -> NDArray[np.int64] | None:
    """Return a case's label as whole numbers, voxel by voxel with the image; None where it has none or a wrong one."""
    if case.label is None:
        return None
    drawn = values if is_drawn(case.label) else None
    wrong = [
        *problems_of_label_grid(case.label, case.image, grid, case.name),
        *problems_of_label_values(case.label, case.image, drawn, describe=False),
    ]
    problems += wrong
    if any(kind.stops for kind, _ in wrong):
        return None
    label = read_label(case.label, case.image, drawn)
    whole: NDArray[np.int64] = np.rint(reorder_like(label.array, label.grid, grid)).astype(np.int64)
    return whole


def _facts(
    case: Case, found: Sequence[Finding], volume: Volume, label: NDArray[np.int64] | None, is_source: bool
) -> Facts:
    grid = volume.grid
    axes = canonical_axes(grid)[0][::-1]
    spacing = np.array(spacing_of(grid.affine))[list(axes)]
    sides = spacing * np.array(grid.shape)[list(axes)]
    coarse, cleaned, air = _thinned(volume.array)
    values = () if label is None else tuple(int(value) for value in np.unique(label) if value)
    structures = extents_of(label, volume.array, grid) if is_source and label is not None else {}
    return Facts(
        case,
        found,
        grid,
        three(spacing),
        three(sides),
        grid.shape[axes[2]],
        _modality(case.image),
        float(np.percentile(cleaned[cleaned > cleaned.min()], 2)),
        range_of(coarse[_bright(cleaned, air)]),
        _body(cleaned, air, volume.array.shape, axes, spacing_of(grid.affine)),
        values,
        structures,
        _digest(volume.array),
    )


def _thinned(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float32], float]:
    """Return at most 128 voxels along each axis, as they are and without a constant fill, and the level of air."""
    coarse = array[tuple(slice(None, None, -(-side // LONGEST_SIDE)) for side in array.shape)]
    return coarse, *without_fill(coarse, percentile=PERCENTILE)


def _bright(cleaned: NDArray[np.float32], air: float) -> NDArray[np.bool_]:
    """Return where a scan is brighter than half way between air and its mean above air."""
    return cleaned > (air + float(cleaned[cleaned > air].mean())) / 2


def _body(
    cleaned: NDArray[np.float32], air: float, shape: Sequence[int], axes: Sequence[int], spacing: Sequence[float]
) -> tuple[float, float] | None:
    """Return width and height of the body in mm, None where none is found."""
    try:
        levels = levels_of(cleaned, **window_of(cleaned, air, cleaned.size, percentile=PERCENTILE))
        spans = body_extent(cleaned, axes[:2], levels)
    except ValueError:
        return None
    width, height = (
        (last - first) * spacing[axis] * shape[axis] / cleaned.shape[axis]
        for (first, last), axis in zip(spans, axes[:2], strict=True)
    )
    return width, height


def _modality(image: Path) -> str:
    if not image.is_dir():
        return ""
    first = next((path for path in sorted(image.iterdir()) if path.is_file() and is_dicom(path)), None)
    return read_header(first).text("Modality") if first else ""


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
