"""A label map stored as PNG files, one per slice of a DICOM series (CHAOS)."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.dicom import series_order
from dar_uda.data.reading import reading
from dar_uda.data.slice_names import is_png

BIT_DEPTH = 24
"""Place of its byte in a PNG file."""
ENDING = re.compile(r"\.(png|dcm|dicom|ima)$", re.IGNORECASE)

WORD = re.compile(r"([^\W\d_]+)[\W_]*([0-9]+)")
"""A word and its number, such as `p11` and `series_4`."""


def png_files(folder: str | Path) -> list[Path]:
    """Return the PNG files of a folder, `.png` or `.PNG`, sorted by name; hidden files are ignored."""
    return sorted(path for path in Path(folder).iterdir() if is_png(path.name))


def png_of_slices(folder: str | Path, series: str | Path, slices: Sequence[Path]) -> list[Path]:
    """Return the PNG file of every DICOM file: that of its name, or else that of its number.

    Numbers may count from 0 on one side and from 1 on the other. The order of the names as text does not count.

    Args:
        folder: The PNG files.
        series: The folder of the DICOM files, for errors.
        slices: The DICOM files.

    Raises:
        ValueError: The counts differ, or names leave open which PNG file belongs to which DICOM file.
    """
    files = png_files(folder)
    if len(files) != len(slices):
        raise ValueError(
            f"DAR-184: {folder} holds {len(files)} PNG files, its series {series} {len(slices)} slices: "
            "expected one PNG per slice; complete the folder, or leave the case out"
        )
    stems, wanted = ([ENDING.sub("", path.name).lower() for path in paths] for paths in (files, slices))
    if sorted(stems) == sorted(set(wanted)):
        return [files[stems.index(stem)] for stem in wanted]
    try:
        (pattern, numbers), (series_pattern, indices) = _numbered(stems), _numbered(wanted)
        _check_patterns(pattern, series_pattern)
        offset = _offset(numbers, indices)
    except ValueError as error:
        example = ENDING.sub("", slices[0].name)
        raise ValueError(
            f"{folder} and its series {series}: names leave open which PNG file belongs to which DICOM file ({error}); "
            f"rename every PNG file as its DICOM file, such as {example}.png for {slices[0].name}"
        ) from error
    return [files[numbers.index(index + offset)] for index in indices]


def read_png_labels(folder: str | Path, series: str | Path) -> NDArray:
    """Return the gray values of the PNG files of a folder, stacked as the slices of their DICOM series.

    Args:
        folder: The PNG files, as many as the series has slices; see `png_of_slices`.
        series: Folder of the DICOM files.

    Returns:
        Array (columns, rows, slices), on the grid of `dar_uda.data.dicom.read_series`.

    Raises:
        ValueError: See `png_of_slices`; or a PNG is not a gray image of its slice's size.
    """
    in_space, size = series_order(series)
    return np.stack([_read_png(path, size) for path in png_of_slices(folder, series, in_space)]).T


def _numbered(stems: Sequence[str]) -> tuple[str, list[int]]:
    """Return what all names have in common, `img-4-#`, and the number of each in place of `#`.

    Raises:
        ValueError: Names differ in more than one number, or not in each file in another.
    """
    parts = [re.split("([0-9]+)", stem) for stem in stems]  # text, digits, text, ..., text
    if len({tuple(part[::2]) for part in parts}) > 1:
        raise ValueError(f"DAR-185: {stems[0]!r} and others differ in more than a number")
    columns = {k: [int(part[k]) for part in parts] for k in range(1, len(parts[0]), 2)}
    varying = [k for k, column in columns.items() if len(set(column)) > 1]
    if len(varying) != 1 or len(set(columns[varying[0]])) < len(stems):
        raise ValueError(
            f"DAR-185: {len(varying)} numbers of {stems[0]!r} vary, expected one that is another in every file"
        )
    common = [str(columns[k][0]) if k in columns else text for k, text in enumerate(parts[0])]
    common[varying[0]] = "#"
    return "".join(common), columns[varying[0]]


def _check_patterns(pattern: str, series_pattern: str) -> None:
    """Raise where names differ in a number that all of a side share.

    `img-2-#` is another series than `img-1-#`, and `p11_seg#` another patient than `p10_im#`.
    """
    shapes = {re.sub("[0-9]+", "#", one) for one in (pattern, series_pattern)}
    ours, theirs = ({word: int(number) for word, number in WORD.findall(one)} for one in (pattern, series_pattern))
    apart = any(ours[word] != theirs[word] for word in ours.keys() & theirs.keys())
    if pattern != series_pattern and (len(shapes) == 1 or apart):
        raise ValueError(f"DAR-185: PNG files are called {pattern}, DICOM files {series_pattern}: another series")


def _offset(numbers: Sequence[int], indices: Sequence[int]) -> int:
    """Return by how much the numbers of the PNG files exceed those of the DICOM files.

    Raises:
        ValueError: The numbers are not the same, nor without a gap from 0 on one side and from 1 on the other.
    """
    if sorted(numbers) == sorted(indices):
        return 0
    first, count = {min(numbers), min(indices)}, len(numbers)
    if first == {0, 1} and all(max(found) - min(found) == count - 1 for found in (numbers, indices)):
        return min(numbers) - min(indices)
    raise ValueError(
        f"DAR-185: PNG files are numbered {_listed(numbers)}, DICOM files {_listed(indices)}; expected the same "
        "numbers, or one count from 0 and one from 1"
    )


def _listed(numbers: Sequence[int]) -> str:
    start = ", ".join(map(str, sorted(numbers)[:3]))
    return f"{start} ... {max(numbers)}" if len(numbers) > 3 else start


def _read_png(path: Path, size: tuple[int, int]) -> NDArray:
    with reading(path):
        image = sitk.ReadImage(str(path), imageIO="PNGImageIO")
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetSize() != size:
        raise ValueError(
            f"DAR-189: {path} has {image.GetNumberOfComponentsPerPixel()} channels of {image.GetSize()} pixels, "
            f"expected 1 of {size}, as its DICOM slice has"
        )
    _check_bits(path)
    return sitk.GetArrayFromImage(image)


def _check_bits(path: Path) -> None:
    """Raise where the reader changes stored grays: it scales 2 and 4 bits to 8, and shifts by what sBIT says.

    Of 1 bit it makes 0 and 255, as every reader does.
    """
    content = path.read_bytes()
    stored = content[BIT_DEPTH]
    place = content.find(b"sBIT", 0, content.find(b"IDAT"))
    significant = content[place + len(b"sBIT")] if place >= 0 else stored
    if stored in (2, 4) or significant < stored:
        raise ValueError(
            f"DAR-188: {path} has {significant} bits per pixel, expected 8 or 16, all significant: save it so"
        )
