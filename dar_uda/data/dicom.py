"""A folder of DICOM files, read as one series."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.grid import LPS_TO_RAS
from dar_uda.data.reading import check_name, reading

POSITION = "0020|0032"
ORIENTATION = "0020|0037"
PIXEL_SPACING = "0028|0030"
SERIES = "0020|000e"
GAP_TOLERANCE = 0.01
"""Slice gaps may differ from their median by this share of it."""
ROUNDING_MM = 0.02
"""Or by this: positions are decimal text, and some scanners write few digits."""
DIRECTION_TOLERANCE = 1e-3
UNIT_TOLERANCE = 1e-2
LISTED = 8


@dataclass(frozen=True)
class DicomSlice:
    """One file of a series: where its first pixel lies (mm, LPS) and how its rows and columns run."""

    path: Path
    size: tuple[int, int]
    spacing: tuple[float, float]
    position: NDArray[np.float64]
    rows_columns: NDArray[np.float64]
    series: str


def read_series(folder: str | Path) -> tuple[NDArray, NDArray[np.float64]]:
    """Return the values, rescale slope and intercept applied, and the affine of a folder of DICOM files.

    All files of the folder are one series, whatever their UIDs and names; hidden files are ignored. No header
    text is kept.

    Returns:
        Array (columns, rows, slices) ordered by position along the slice normal; affine (4, 4) to mm in RAS.

    Raises:
        ValueError: A file is no single-slice DICOM image, slices differ in size or direction, or their
            positions leave gaps or repeat.
    """
    slices = _sorted_slices(folder)
    arrays = [_read_pixels(one) for one in slices]
    return np.stack(arrays).T, _affine(slices)


def read_series_grid(folder: str | Path) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Return shape and affine as `read_series` does, from the headers alone."""
    slices = _sorted_slices(folder)
    return (*slices[0].size, len(slices)), _affine(slices)


def series_order(folder: str | Path) -> tuple[list[Path], tuple[int, int]]:
    """Return the files of a series in order of position, and the (columns, rows) of every slice."""
    slices = _sorted_slices(folder)
    return [one.path for one in slices], slices[0].size


def mixed_series(folder: str | Path) -> list[int]:
    """Return how many slices each series UID of a folder has, where they look like several series in one.

    Anonymisers give every file a UID of its own, or leave one; two or more with two files each are neither. Empty
    where all is well.
    """
    counts = Counter(one.series for one in _sorted_slices(folder))
    return sorted(counts.values()) if len(counts) > 1 and min(counts.values()) > 1 else []


def _sorted_slices(folder: str | Path) -> list[DicomSlice]:
    """Return the slices of a folder in order of position, checked to form one regular stack."""
    folder = Path(folder)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if len(paths) < 2:
        below = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:LISTED])
        hint = f"; give one of its folders: {below}" if below else ""
        raise ValueError(f"{folder}: found {len(paths)} files, expected a DICOM series of at least 2 slices{hint}")
    slices = [_read_header(path) for path in paths]
    first = slices[0]
    for one in slices[1:]:
        _check_alike(first, one)
    normal = np.cross(*first.rows_columns)
    slices.sort(key=lambda one: float(one.position @ normal))
    _check_gaps(folder, slices, normal)
    return slices


def _read_header(path: Path) -> DicomSlice:
    """Return the geometry of one DICOM file."""
    check_name(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(
            f"{path} is no DICOM image that can be read: a folder holds the files of one series, nothing else; "
            "move it away, or if it belongs there decompress the series (gdcmconv --raw)"
        ) from error
    size = reader.GetSize()
    if len(size) > 2 and size[2] != 1:
        raise ValueError(f"{path} holds {size[2]} frames, expected 1 slice a file: convert it to NIfTI")
    if reader.GetNumberOfComponents() != 1:
        raise ValueError(f"{path} holds a colour image, expected grey values: move it away")
    position = _numbers(reader, path, POSITION, 3)
    rows_columns = _numbers(reader, path, ORIENTATION, 6).reshape(2, 3)
    if not np.allclose(rows_columns @ rows_columns.T, np.eye(2), atol=UNIT_TOLERANCE):
        raise ValueError(
            f"{path}: tag ({ORIENTATION}) holds {rows_columns.tolist()}, expected two directions of length 1 at right "
            "angles: export it anew"
        )
    spacing = _numbers(reader, path, PIXEL_SPACING, 2)
    if not (spacing > 0).all():
        raise ValueError(f"{path}: tag ({PIXEL_SPACING}) holds {spacing.tolist()}, expected two sizes above 0 mm")
    series = reader.GetMetaData(SERIES) if reader.HasMetaDataKey(SERIES) else ""
    return DicomSlice(path, tuple(size[:2]), tuple(reader.GetSpacing()[:2]), position, rows_columns, series)


def _numbers(reader: sitk.ImageFileReader, path: Path, tag: str, count: int) -> NDArray[np.float64]:
    """Return the numbers of a header entry."""
    text = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
    try:
        values = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        values = np.empty(0)
    if len(values) != count:
        raise ValueError(
            f"{path}: tag ({tag}) holds {text!r}, expected {count} numbers that say where it lies: export it anew"
        )
    return values


def _check_alike(first: DicomSlice, other: DicomSlice) -> None:
    """Raise where two slices cannot be of one stack (a localizer, a second series)."""
    alike = (
        first.size == other.size
        and np.allclose(first.spacing, other.spacing, rtol=DIRECTION_TOLERANCE)
        and np.allclose(first.rows_columns, other.rows_columns, atol=DIRECTION_TOLERANCE)
    )
    if not alike:
        raise ValueError(
            f"{other.path} has size {other.size}, spacing {other.spacing}, "
            f"directions {other.rows_columns.tolist()}; {first.path.name} has {first.size}, {first.spacing}, "
            f"{first.rows_columns.tolist()}. "
            "A folder is read as one series: move the files of any other series away"
        )


def _check_gaps(folder: Path, slices: list[DicomSlice], normal: NDArray[np.float64]) -> None:
    """Raise where neighbouring slices do not all lie one and the same step apart."""
    positions = np.array([one.position for one in slices])
    steps = np.diff(positions, axis=0)
    step = np.median(steps, axis=0)
    places = positions @ normal
    gaps = np.diff(places)
    spacing = float(np.median(gaps))
    repeated = gaps <= ROUNDING_MM
    if repeated.any():
        at = [round(float(place), 3) for place in np.unique(places[1:][repeated])]
        raise ValueError(
            f"{folder}: several slices lie at the same position along the slice normal: {at} mm. "
            "A folder is read as one series: give each series (phase, echo, time) a folder of its own"
        )
    uneven = np.linalg.norm(steps - step, axis=1) > max(GAP_TOLERANCE * spacing, ROUNDING_MM)
    if uneven.any():
        k = int(np.argmax(uneven))
        raise ValueError(
            f"{folder}: found a step of {gaps[k]:.4g} mm from {places[k]:.3f} to {places[k + 1]:.3f} along "
            f"the normal ({slices[k].path.name} to {slices[k + 1].path.name}), expected {spacing:.4g} mm as "
            "between the others, straight on: a slice is missing or does not belong here"
        )


def _affine(slices: list[DicomSlice]) -> NDArray[np.float64]:
    """Return the affine (columns, rows, slices) to mm in RAS; the positions give the slice step, tilt too."""
    first = slices[0]
    affine = np.eye(4)
    affine[:3, 0] = first.rows_columns[0] * first.spacing[0]
    affine[:3, 1] = first.rows_columns[1] * first.spacing[1]
    affine[:3, 2] = (slices[-1].position - first.position) / (len(slices) - 1)
    affine[:3, 3] = first.position
    return LPS_TO_RAS @ affine


def _read_pixels(one: DicomSlice) -> NDArray:
    """Return the values (rows, columns) of one slice; GDCM applies its rescale slope and intercept."""
    with reading(one.path, "decompress the series (gdcmconv --raw, dcmdjpeg), or export it anew"):
        image = sitk.ReadImage(str(one.path), imageIO="GDCMImageIO")
        array = sitk.GetArrayFromImage(image).reshape(one.size[1], one.size[0])
    return array.astype(np.float32) if array.dtype.kind == "f" else array
