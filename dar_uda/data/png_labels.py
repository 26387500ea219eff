"""A label map stored as PNG files, one per slice of a DICOM series (CHAOS)."""

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.dicom import series_order
from dar_uda.data.reading import UnreadableFileError, reading
from dar_uda.data.slice_names import is_png

SIGNATURE, SHORTEST = b"\x89PNG\r\n\x1a\n", 12
"""What a PNG begins with, and the bytes of a chunk without content."""
NEEDED = (b"IHDR", b"sBIT", b"IDAT", b"IEND")
GRAY, CHANNELS = 0, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
"""The color type of a gray image, and the channels of each type as SimpleITK counts them."""
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
    """Return the grays of a PNG; SimpleITK is given the parts of the file that hold them, and no text or profile."""
    parts = list(_parts_of(path))
    with reading(path):
        columns, rows, bits, color = struct.unpack(">IIBB", parts[0][1][:10])
    if (color, columns, rows) != (GRAY, *size):
        raise ValueError(
            f"DAR-189: {path} has {CHANNELS.get(color, 'no known number of')} channels of {(columns, rows)} pixels, "
            f"expected 1 of {size}, as its DICOM slice has"
        )
    _check_bits(path, bits, dict(parts).get(b"sBIT", bytes([bits])))
    with reading(path), TemporaryDirectory(prefix="dar-uda-") as folder:
        copy = Path(folder) / "slice.png"
        copy.write_bytes(SIGNATURE + b"".join(_part(name, content) for name, content in parts))
        return sitk.GetArrayFromImage(sitk.ReadImage(str(copy), imageIO="PNGImageIO"))


def _parts_of(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the chunks of a PNG that its grays need.

    Raises:
        UnreadableFileError: It is no PNG, or a chunk is damaged.
    """
    content, place = path.read_bytes(), len(SIGNATURE)
    while content.startswith(SIGNATURE) and place + SHORTEST <= len(content):
        length, name = struct.unpack(">I4s", content[place : place + 8])
        end = place + 8 + length
        whole = content[end : end + 4] == zlib.crc32(content[place + 4 : end]).to_bytes(4)
        if not whole or (name == b"IHDR") != (place == len(SIGNATURE)):
            break
        if name in NEEDED:
            yield name, content[place + 8 : end]
        if name == b"IEND":
            return
        place = end + 4
    raise UnreadableFileError(f"DAR-517: {path} is no PNG file, was cut short or is damaged: copy or export it again")


def _part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + zlib.crc32(name + content).to_bytes(4)


def _check_bits(path: Path, stored: int, significant: bytes) -> None:
    """Raise where the reader changes stored grays: it scales 2 and 4 bits to 8, and shifts by what sBIT says.

    Of 1 bit it makes 0 and 255, as every reader does.
    """
    if stored in (2, 4) or significant[0] < stored:
        raise ValueError(
            f"DAR-188: {path} has {significant[0]} bits per pixel, expected 8 or 16, all significant: save it so"
        )
