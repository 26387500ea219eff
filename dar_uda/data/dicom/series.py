"""A folder of DICOM files, or an enhanced multi-frame file, read as one series."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.ceiling import check_voxels
from dar_uda.data.dicom.frames import PLACE, frames_of, has_frames, image_format, read_frames
from dar_uda.data.dicom.header import Header, name_of, read_header
from dar_uda.data.dicom.objects import check_image, is_directory
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
    """One file of a series, or a frame of one: where its first pixel lies (mm, LPS), how its rows and columns run.

    Attributes:
        frame: Its number in a file of several, from 0; None where the file has no other.
        size: (columns, rows).
        spacing: Between columns, between rows, mm.
        position: As the header writes it.
        rows_columns: Two directions of length 1.
        series: UID and number of its series.
        instance: SOPInstanceUID.
        space: FrameOfReferenceUID, or empty.
    """

    path: Path
    size: tuple[int, int]
    spacing: tuple[float, float]
    position: tuple[str, str, str]
    rows_columns: NDArray[np.float64]
    series: tuple[str, str]
    instance: str
    space: str
    frame: int | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path.name if self.frame is None else f"frame {self.frame + 1}"


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of a series in order of position, and the affine of their stack to mm in RAS."""

    slices: list[DicomSlice]
    affine: NDArray[np.float64]


def read_series(path: str | Path) -> tuple[NDArray, NDArray[np.float64]]:
    """Return the values, rescale slope and intercept applied, and the affine of a DICOM series.

    All files of a folder are one series, whatever their UIDs and names; hidden files, thumbnails and a DICOMDIR are
    ignored, and a file that is there twice counts once. No header text is kept.

    Args:
        path: A folder with a file for each slice or with one enhanced multi-frame file, or such a file.

    Returns:
        Array (columns, rows, slices) ordered by position along the slice normal; affine (4, 4) to mm in RAS.

    Raises:
        ValueError: A file is not a DICOM image or was cut short, slices differ in size or direction, or
            their positions leave gaps or repeat.
    """
    series = open_series(path)
    array = np.stack(_values(series.slices)).T
    return (array.astype(np.float32) if array.dtype.kind == "f" else array), series.affine


def _values(slices: list[DicomSlice]) -> list[NDArray]:
    """Return the values (rows, columns) of each slice."""
    if slices[0].frame is None:
        return [read_pixels(one.path) for one in slices]
    frames = read_frames(read_header(slices[0].path))
    return [frames[one.frame or 0] for one in slices]


def read_series_grid(path: str | Path) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return shape and affine as `read_series` does, from the headers alone."""
    series = open_series(path)
    return (*series.slices[0].size, len(series.slices)), series.affine


def series_order(folder: str | Path) -> tuple[list[Path], tuple[int, int]]:
    """Return the files of a series in order of position, and the (columns, rows) of every slice.

    Raises:
        ValueError: See `read_series`; or one file holds all slices.
    """
    slices = open_series(folder).slices
    if slices[0].frame is not None:
        raise ValueError(
            f"DAR-431: {folder}: {slices[0].path.name} holds all slices, expected a file for each: give the series in "
            "its form of one file a slice, or a label as NIfTI, SEG or RTSTRUCT in place of PNG files"
        )
    return [one.path for one in slices], slices[0].size


def mixed_series(folder: str | Path) -> list[int]:
    """Return how many slices each series of a folder has, where they look like several series in one.

    Anonymizers give every file a UID of its own, or leave one; two or more with two files each are neither. Series
    are told apart by their numbers, too. Empty where all is well.
    """
    return _several(open_series(folder).slices)


def _several(slices: list[DicomSlice]) -> list[int]:
    for counts in map(Counter, zip(*(one.series for one in slices), strict=True)):
        if len(counts) > 1 and min(counts.values()) > 1:
            return sorted(counts.values())
    return []


def open_series(path: str | Path) -> Series:
    """Return the slices of a series without their values, checked to form one even stack; see `read_series`."""
    path = Path(path)
    slices = _without_copies(path, _slices_of(path)) if path.is_dir() else _frames(read_header(path))
    first = slices[0]
    for one in slices[1:]:
        _check_alike(first, one)
    check_voxels(path, (*first.size, len(slices)))
    normal = np.cross(*first.rows_columns)
    normal /= np.linalg.norm(normal)
    slices.sort(key=lambda one: float(np.array(one.position, dtype=float) @ normal))
    texts = [one.position for one in slices]
    rounding = np.array([rounding_of(axis) for axis in zip(*texts, strict=True)]).T
    try:
        start, step = even_stack(path, [one.name for one in slices], np.array(texts, dtype=float), rounding, normal)
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
    if len(headers) == 1 and has_frames(headers[0]):
        return _frames(headers[0])
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
    check_image(header)
    if has_frames(header):
        raise UnreadableFileError(
            f"DAR-431: {header.path} is an enhanced DICOM image of several slices, and not alone in its folder: name "
            "the file itself as image, or give it a folder of its own"
        )
    pixels = read_format(header)
    return placed(header, (pixels.columns, pixels.rows))


def _frames(header: Header) -> list[DicomSlice]:
    """Return the frames of an enhanced image as slices, at least two.

    Raises:
        UnreadableFileError: It is no such image, or holds several volumes.
    """
    path = header.path
    check_image(header)
    if not has_frames(header):
        raise UnreadableFileError(f"DAR-125: {path} is one DICOM file: give its folder, read as one series")
    headers = frames_of(header, PLACE)
    pixels = image_format(header, len(headers))
    frames = [replace(placed(one, (pixels.columns, pixels.rows)), frame=k) for k, one in enumerate(headers)]
    places = len({one.position for one in frames})
    if len(frames) < 2 or places < len(frames):
        raise UnreadableFileError(
            f"DAR-432: {path} holds {len(frames)} frames at {places} places, expected at least 2, each at its own: "
            "convert each of its volumes (echo, phase, time) to a NIfTI file (dcm2niix)"
        )
    return frames


def placed(header: Header, size: tuple[int, int]) -> DicomSlice:
    """Return a slice of (columns, rows) pixels."""
    path = header.path
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
        size=size,
        spacing=(float(between_columns), float(between_rows)),
        position=tuple(position),
        rows_columns=rows_columns / np.linalg.norm(rows_columns, axis=1, keepdims=True),
        series=(header.text("SeriesInstanceUID"), header.text("SeriesNumber")),
        instance=header.text("SOPInstanceUID"),
        space=header.text("FrameOfReferenceUID"),
    )


def _without_copies(folder: Path, slices: list[DicomSlice]) -> list[DicomSlice]:
    """Return each slice once, of those that are in the folder under several names; frames as they are.

    Files of one SOPInstanceUID are one slice, unless an anonymizer gave all of them the same, or none.

    Raises:
        ValueError: Two files have one SOPInstanceUID and differ.
    """
    if slices[0].frame is not None:
        return slices
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
            f"DAR-152: {other.path.parent / other.name} has size {other.size}, spacing {other.spacing}, "
            f"directions {other.rows_columns.tolist()}; {first.name} has {first.size}, {first.spacing}, "
            f"{first.rows_columns.tolist()}. "
            "A folder is read as one series: move the files of any other series away"
        )
