"""A folder of DICOM files, read as one series."""

import logging
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.dicom.header import Header, name_of, read_header
from dar_uda.data.dicom.objects import is_directory
from dar_uda.data.dicom.pixels import read_format, read_pixels
from dar_uda.data.dicom.stack import LISTED, even_stack, rounding_of
from dar_uda.data.grid import LPS_TO_RAS
from dar_uda.data.reading import UnreadableFileError
from dar_uda.data.slice_names import may_be_slice

logger = logging.getLogger(__name__)
DIRECTION_TOLERANCE = 1e-3
UNIT_TOLERANCE = 1e-2
FARTHEST = 1e6
"""In mm."""


@dataclass(frozen=True, eq=False)
class DicomSlice:
    """One file of a series: where its first pixel lies (mm, LPS) and how its rows and columns run.

    Attributes:
        size: (columns, rows).
        spacing: Between columns, between rows, mm.
        position: As the header writes it.
        rows_columns: Two directions of length 1.
        series: UID and number of its series.
        instance: SOPInstanceUID.
    """

    path: Path
    size: tuple[int, int]
    spacing: tuple[float, float]
    position: tuple[str, str, str]
    rows_columns: NDArray[np.float64]
    series: tuple[str, str]
    instance: str


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of a folder in order of position, and the affine of their stack to mm in RAS."""

    slices: list[DicomSlice]
    affine: NDArray[np.float64]


def read_series(folder: str | Path) -> tuple[NDArray, NDArray[np.float64]]:
    """Return the values, rescale slope and intercept applied, and the affine of a folder of DICOM files.

    All files of the folder are one series, whatever their UIDs and names; hidden files, thumbnails and a DICOMDIR are
    ignored, and a file that is there twice counts once. No header text is kept.

    Returns:
        Array (columns, rows, slices) ordered by position along the slice normal; affine (4, 4) to mm in RAS.

    Raises:
        ValueError: A file is not a single-slice DICOM image or was cut short, slices differ in size or direction, or
            their positions leave gaps or repeat.
    """
    series = _open_series(folder)
    array = np.stack([read_pixels(one.path) for one in series.slices]).T
    return (array.astype(np.float32) if array.dtype.kind == "f" else array), series.affine


def read_series_grid(folder: str | Path) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return shape and affine as `read_series` does, from the headers alone."""
    series = _open_series(folder)
    return (*series.slices[0].size, len(series.slices)), series.affine


def series_order(folder: str | Path) -> tuple[list[Path], tuple[int, int]]:
    """Return the files of a series in order of position, and the (columns, rows) of every slice."""
    slices = _open_series(folder).slices
    return [one.path for one in slices], slices[0].size


def mixed_series(folder: str | Path) -> list[int]:
    """Return how many slices each series of a folder has, where they look like several series in one.

    Anonymizers give every file a UID of its own, or leave one; two or more with two files each are neither. Series
    are told apart by their numbers, too. Empty where all is well.
    """
    return _several(_open_series(folder).slices)


def _several(slices: list[DicomSlice]) -> list[int]:
    for counts in map(Counter, zip(*(one.series for one in slices), strict=True)):
        if len(counts) > 1 and min(counts.values()) > 1:
            return sorted(counts.values())
    return []


def _open_series(folder: str | Path) -> Series:
    """Return the slices of a folder, checked to form one even stack."""
    folder = Path(folder)
    slices = _without_copies(folder, _slices_of(folder))
    first = slices[0]
    for one in slices[1:]:
        _check_alike(first, one)
    normal = np.cross(*first.rows_columns)
    normal /= np.linalg.norm(normal)
    slices.sort(key=lambda one: float(np.array(one.position, dtype=float) @ normal))
    texts = [one.position for one in slices]
    rounding = np.array([rounding_of(axis) for axis in zip(*texts, strict=True)]).T
    try:
        start, step = even_stack(
            folder, [one.path.name for one in slices], np.array(texts, dtype=float), rounding, normal
        )
    except ValueError as error:
        counts = _several(slices)
        hint = f". Its files are of several series, of {', '.join(map(str, counts))} slices" if counts else ""
        raise ValueError(f"{error}{hint}") from None
    affine = np.eye(4)
    affine[:3, 0] = first.rows_columns[0] * first.spacing[0]
    affine[:3, 1] = first.rows_columns[1] * first.spacing[1]
    affine[:3, 2], affine[:3, 3] = step, start
    return Series(slices, LPS_TO_RAS @ affine)


def _slices_of(folder: Path) -> list[DicomSlice]:
    """Return the slices of a folder, at least two."""
    named = sorted(path for path in folder.iterdir() if may_be_slice(path.name))
    for path in named:
        if not path.exists():
            raise UnreadableFileError(
                f"DAR-143: {path} is a link to a file that is not there: fetch that file, or delete the link"
            )
    paths = [path for path in named if path.is_file()]
    headers = [header for header in map(read_header, paths) if not is_directory(header)]
    slices = [_slice(header) for header in headers]
    if len(slices) < 2:
        below = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:LISTED])
        hint = f"; give one of its folders: {below}" if below else ""
        raise ValueError(
            f"DAR-139: {folder}: found {len(slices)} files, expected a DICOM series of at least 2 slices{hint}"
        )
    return slices


def _slice(header: Header) -> DicomSlice:
    """Return the geometry of one DICOM file, after it is seen that it holds its pixels."""
    path, pixels = header.path, read_format(header)
    if "ImagePositionPatient" not in header and "SharedFunctionalGroupsSequence" in header:
        raise UnreadableFileError(
            f"DAR-149: {path} is an enhanced DICOM image, which is not read: convert it to NIfTI (dcm2niix)"
        )
    position = header.decimals("ImagePositionPatient", 3)
    if max(abs(float(text)) for text in position) > FARTHEST:
        raise UnreadableFileError(
            f"DAR-147: {path}: tag {name_of('ImagePositionPatient')} holds {position}, expected a place within 1 km: "
            "export it again"
        )
    rows_columns = header.numbers("ImageOrientationPatient", 6).reshape(2, 3)
    if not np.allclose(rows_columns @ rows_columns.T, np.eye(2), atol=UNIT_TOLERANCE):
        raise UnreadableFileError(
            f"DAR-147: {path}: tag {name_of('ImageOrientationPatient')} holds {rows_columns.tolist()}, expected two "
            "directions of length 1 at right angles: export it again"
        )
    between_rows, between_columns = header.numbers("PixelSpacing", 2)
    if not 0 < min(between_rows, between_columns) <= max(between_rows, between_columns) < np.inf:
        raise UnreadableFileError(
            f"DAR-147: {path}: tag {name_of('PixelSpacing')} holds {[between_rows, between_columns]}, expected two "
            "sizes above 0 mm: export it again"
        )
    return DicomSlice(
        path=path,
        size=(pixels.columns, pixels.rows),
        spacing=(float(between_columns), float(between_rows)),
        position=tuple(position),
        rows_columns=rows_columns / np.linalg.norm(rows_columns, axis=1, keepdims=True),
        series=(header.text("SeriesInstanceUID"), header.text("SeriesNumber")),
        instance=header.text("SOPInstanceUID"),
    )


def _without_copies(folder: Path, slices: list[DicomSlice]) -> list[DicomSlice]:
    """Return each slice once, of those that are in the folder under several names.

    Files of one SOPInstanceUID are one slice, unless an anonymizer gave all of them the same, or none.

    Raises:
        ValueError: Two files have one SOPInstanceUID and differ.
    """
    telling = len({one.instance for one in slices}) > 1
    kept: dict[tuple, DicomSlice] = {}
    others, copies = [], []
    for one in sorted(slices, key=lambda one: (len(one.path.name), one.path.name)):
        own = telling and bool(one.instance)
        first = kept.setdefault((one.instance,) if own else (one.instance, *one.position), one)
        if first is one:
            continue
        if _same(first, one):
            copies.append((one.path.name, first.path.name))
        elif own:
            raise ValueError(
                f"DAR-151: {folder}: {one.path.name} and {first.path.name} have one SOPInstanceUID, and their pixels "
                "or places differ: keep the right one"
            )
        else:
            others.append(one)
    if copies:
        name, of = copies[0]
        _warn_once(
            f"DAR-151: {folder}: files that are there twice count once ({len(copies)}), such as {name}, a copy of {of}"
        )
    return [*kept.values(), *others]


def _same(one: DicomSlice, other: DicomSlice) -> bool:
    return (
        (one.size, one.spacing, one.position) == (other.size, other.spacing, other.position)
        and np.array_equal(one.rows_columns, other.rows_columns)
        and np.array_equal(read_pixels(one.path), read_pixels(other.path))
    )


@lru_cache
def _warn_once(text: str) -> None:
    """Warn, and never of the same again: a series is opened several times."""
    logger.warning(text)


def _check_alike(first: DicomSlice, other: DicomSlice) -> None:
    """Raise where two slices cannot be of one stack (a localizer, a second series)."""
    alike = (
        first.size == other.size
        and np.allclose(first.spacing, other.spacing, rtol=DIRECTION_TOLERANCE)
        and np.allclose(first.rows_columns, other.rows_columns, atol=DIRECTION_TOLERANCE)
    )
    if not alike:
        raise ValueError(
            f"DAR-152: {other.path} has size {other.size}, spacing {other.spacing}, "
            f"directions {other.rows_columns.tolist()}; {first.path.name} has {first.size}, {first.spacing}, "
            f"{first.rows_columns.tolist()}. "
            "A folder is read as one series: move the files of any other series away"
        )
