"""The pixels of one DICOM file: stored values by the standard, rescaled."""

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dar_uda.data.ceiling import check_slice
from dar_uda.data.dicom.compressed import COMPRESSED, decompressed
from dar_uda.data.dicom.header import PIXELS, UNDEFINED, Header, name_of, read_header, shown
from dar_uda.data.dicom.objects import check_image
from dar_uda.data.dicom.pixel_format import PixelFormat
from dar_uda.data.reading import UnreadableFileError, reading

NATIVE = ("", ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
VALUES = {"PixelData": ("OB", "OW"), "FloatPixelData": ("OF",), "DoubleFloatPixelData": ("OD",)}
"""The VR of pixels. In implicit syntaxes files do not say it."""
FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
"""Bits of their numbers."""
COLORS = ("RGB", "YBR", "PALETTE", "ARGB", "HSV", "CMYK", "XYB")
"""How the photometric interpretations begin that are not of gray values."""
INTEGERS = (np.int16, np.int32, np.int64)
WORDS = (8, 16, 32)
"""Bits of the words of an image."""
LONGEST = 2**30
"""Slopes and intercepts of this size or more are not reckoned with in integers."""
DECOMPRESS = "copy it again, or decompress the series (gdcmconv --raw, dcmdjpeg)"


def read_format(header: Header) -> PixelFormat:
    """Return how the pixels of a file are stored, after it is seen that the file holds as many as its header says.

    Raises:
        UnreadableFileError: It has no single slice of gray values, contradicts itself, or was cut short.
    """
    check_image(header)
    check_gray(header)
    return format_of(header)


def format_of(header: Header, frames: int = 1, words: Sequence[int] = WORDS) -> PixelFormat:
    """Return how the pixels of a file with as many frames are stored, whatever they mean; see `read_format`.

    Args:
        words: Bits that a word may have.
    """
    check_slice(header.path, (header.whole("Rows"), header.whole("Columns")))
    keywords = [keyword for keyword in PIXELS if keyword in header]
    if len(keywords) > 1:
        raise UnreadableFileError(
            f"DAR-147: {header.path} holds {' and '.join(keywords)}, expected one image: export it again"
        )
    slope, intercept = rescale_of(header)
    rows, columns = header.whole("Rows"), header.whole("Columns")
    if keywords[0] == "PixelData":
        allocated, stored = header.whole("BitsAllocated"), header.whole("BitsStored")
        high, sign = header.whole("HighBit", stored - 1), header.whole("PixelRepresentation")
    else:
        allocated = stored = FLOATS[keywords[0]]
        high, sign = stored - 1, 0
    known = words if keywords[0] == "PixelData" else FLOATS.values()
    if allocated not in known or not 0 < stored <= high + 1 <= allocated or sign > 1 or not rows * columns:
        raise UnreadableFileError(
            f"DAR-147: {header.path} says {rows} rows of {columns} pixels, BitsAllocated {allocated}, BitsStored "
            f"{stored}, HighBit {high}, PixelRepresentation {sign}; expected words of {_listed(known)} bits, the "
            "value's among them: export it again"
        )
    pixels = PixelFormat(keywords[0], rows, columns, allocated, stored, high, bool(sign), slope, intercept)
    _check_length(header, pixels, frames)
    return pixels


def read_pixels(path: Path) -> NDArray:
    """Return the values (rows, columns) of a slice, rescaled: integers where all of them are, else float32.

    MONOCHROME1 is not inverted and a padding value not replaced: both concern the display.

    Raises:
        UnreadableFileError: See `read_format`; or the pixels do not decompress to as many as there should be.
    """
    header = read_header(path, with_pixels=True)
    pixels = read_format(header)
    with reading(path, DECOMPRESS):
        (stored,) = stored_frames(header, pixels)
        return rescaled(stored, pixels)


def _listed(numbers: Collection[int]) -> str:
    *others, last = map(str, numbers)
    return " or ".join([*([", ".join(others)] if others else []), last])


def check_gray(header: Header, expected: int = 1) -> None:
    """Raise where the image has another number of frames, or not one number per pixel.

    Raises:
        UnreadableFileError: It has.
    """
    frames = header.text("NumberOfFrames") or "1"
    if not frames.isdigit() or int(frames) != expected:
        raise UnreadableFileError(
            f"DAR-149: {header.path} holds {frames if frames.isdigit() else shown(frames)} frames, expected 1 slice "
            "a file, or functional groups that say where each frame lies: convert it to NIfTI (dcm2niix)"
        )
    if header.whole("SamplesPerPixel", 1) != 1 or header.text("PhotometricInterpretation").startswith(COLORS):
        raise UnreadableFileError(f"DAR-150: {header.path} holds a color image, expected gray values: move it away")
    if header.has_items("ModalityLUTSequence"):
        raise UnreadableFileError(
            f"DAR-148: {header.path} gives its values by a table (Modality LUT Sequence), which is not read: convert "
            "it to NIfTI"
        )


def rescale_of(header: Header) -> tuple[float, float]:
    """Return slope and intercept: 1 and 0 where they are absent, a dose grid's scaling as slope."""
    keyword = "DoseGridScaling" if "DoseGridScaling" in header and "RescaleSlope" not in header else "RescaleSlope"
    slope = float(header.decimals(keyword, 1, "1")[0])
    intercept = float(header.decimals("RescaleIntercept", 1, "0")[0])
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        raise UnreadableFileError(
            f"DAR-147: {header.path}: tag {name_of(keyword)} holds {slope:g}, the intercept {intercept:g}; "
            "expected a slope other than 0: export it again"
        )
    return slope, intercept


def _check_length(header: Header, pixels: PixelFormat, frames: int) -> None:
    """Raise where the file does not hold the bytes of all pixels, or where they are not what the syntax says."""
    path, element = header.path, header.dataset.get_item(pixels.keyword, keep_deferred=True)
    syntax, encapsulated = header.syntax, element.length == UNDEFINED
    if syntax not in (*NATIVE, *COMPRESSED):
        raise UnreadableFileError(
            f"DAR-146: {path} has the transfer syntax {shown(syntax)}, which is not read: {DECOMPRESS}"
        )
    right = VALUES[pixels.keyword]
    swapped = element.VR == "OB" and pixels.allocated > 8 and not element.is_little_endian
    if encapsulated != (syntax not in NATIVE) or (element.VR or right[0]) not in right or swapped:
        raise UnreadableFileError(
            f"DAR-147: {path}: {pixels.keyword} has VR {element.VR} and {'no' if encapsulated else 'a'} length, which "
            f"does not fit the transfer syntax {UID(syntax).name if syntax else 'that it was read as'}: export it again"
        )
    if encapsulated:
        return
    needed = (frames * pixels.rows * pixels.columns * pixels.allocated + 7) // 8
    found = element.length
    there = path.stat().st_size - element.value_tell if element.value is None else len(element.value)
    if there < found:
        raise UnreadableFileError(
            f"DAR-144: {path} was cut short: {max(there, 0)} bytes of its {found} bytes of pixels are there; copy it "
            "again"
        )
    if found not in (needed, needed + needed % 2):
        raise UnreadableFileError(
            f"DAR-144: {path} holds {found} bytes of pixels, expected {needed} for "
            f"{f'{frames} frames of ' * (frames > 1)}{pixels.rows} rows of {pixels.columns} pixels of "
            f"{pixels.allocated} bits: it was cut short or damaged; copy it or export it again"
        )


def stored_frames(header: Header, pixels: PixelFormat, frames: int = 1) -> Iterator[NDArray]:
    """Yield the stored values (rows, columns) of each frame of a header that was read with its pixels."""
    element = header.dataset.get_item(pixels.keyword)
    if header.syntax in NATIVE:
        all_words = _from_bytes(element.value, pixels, frames, element.VR, element.is_little_endian)
    else:
        streams = generate_frames(element.value, number_of_frames=frames)
        counted = (stream for _, stream in zip(range(frames), streams, strict=True))
        all_words = (decompressed(header.path, header.syntax, stream, pixels) for stream in counted)
    kind = f"{'i' if pixels.signed else 'u'}{pixels.allocated // 8}"
    for words in all_words:
        if pixels.keyword != "PixelData" or pixels.allocated == 1:
            yield words
        else:
            yield (words << (pixels.allocated - 1 - pixels.high)).view(kind) >> (pixels.allocated - pixels.stored)


def _from_bytes(raw: bytes, pixels: PixelFormat, frames: int, vr: str | None, little: bool) -> Iterator[NDArray]:
    """Yield the words of each frame of pixels that are not compressed."""
    size, shape, count = pixels.allocated // 8, (pixels.rows, pixels.columns), pixels.rows * pixels.columns
    if not little and vr == "OW" and size <= 1:  # two bytes are one word of the file, its later half first
        raw = np.frombuffer(raw, ">u2").astype("<u2").tobytes()
    kind = f"{'<' if little else '>'}{'u' if pixels.keyword == 'PixelData' else 'f'}{size}"
    for start in range(0, frames * count, count):
        if size:
            words = np.frombuffer(raw, kind, count, offset=start * size)
            yield words.astype(words.dtype.newbyteorder("=")).reshape(shape)
        else:
            within = np.frombuffer(raw[start // 8 : (start + count + 7) // 8], "u1")
            yield np.unpackbits(within, bitorder="little")[start % 8 :][:count].reshape(shape)


def rescaled(values: NDArray, pixels: PixelFormat) -> NDArray:
    """Return slope times values plus intercept, in the smallest type that holds them."""
    slope, intercept = pixels.slope, pixels.intercept
    if values.dtype.kind in "iu" and (slope, intercept) == (1, 0):
        return values
    if values.dtype.kind in "iu" and all(x.is_integer() and abs(x) < LONGEST for x in (slope, intercept)):
        whole = values.astype(np.int64) * int(slope) + int(intercept)
        low, high = whole.min(), whole.max()
        return whole.astype(next(k for k in INTEGERS if np.iinfo(k).min <= low and high <= np.iinfo(k).max))
    return (values * slope + intercept).astype(np.float32)
