"""The header of one DICOM file: the entries that say where its pixels lie and how they are stored."""

import gzip
import logging
import re
import warnings
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread, read_partial
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dar_uda.data.contents import foreign_content, is_dicom
from dar_uda.data.dicom.bounds import CountedFile
from dar_uda.data.reading import UnreadableFileError

PIXELS = ("FloatPixelData", "DoubleFloatPixelData", "PixelData")
"""The entries that can hold an image, in the order of their tags; nothing after them is read."""
ENTRIES = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "NumberOfFrames"),
    *("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence"),
    *PIXELS,
)
"""What is read. No entry of the patient is."""
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LONG = 2**12
"""Bytes above which a value stays on the disk until it is asked for."""
NUMBERS = re.compile(r"[0-9eE.+\\ -]{0,64}")
"""Characters of decimal numbers and UIDs, and of several."""
TEXTS = (".xml", ".html", ".htm")
"""Files that viewers and archives put beside the slices."""
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Header:
    """The entries of a file that are read, see ENTRIES; `dataset` has no other.

    Attributes:
        syntax: The transfer syntax; empty where the file names none, as files without a preamble do.
        stored_as: The SOP class that its meta information names, or empty.
    """

    path: Path
    dataset: Dataset
    syntax: str
    stored_as: str

    def __contains__(self, keyword: str) -> bool:
        return tag_for_keyword(keyword) in self.dataset

    def has_items(self, keyword: str) -> bool:
        """Return whether a sequence is there and not empty."""
        if keyword not in self:
            return False
        value = self.dataset.get_item(keyword, keep_deferred=True).value  # None: so long that it stays on the disk
        return value is None or len(value) > 0

    def raw(self, keyword: str) -> bytes:
        """Return the bytes of an entry, empty where it is absent or, but for pixels, far too long."""
        value = self.dataset.get_item(keyword, keep_deferred=True).value if keyword in self else b""
        return value if isinstance(value, bytes) else b""

    def text(self, keyword: str) -> str:
        """Return the text of an entry, empty where it is absent."""
        return self.raw(keyword).decode("latin-1").strip(" \0")

    def decimals(self, keyword: str, count: int, default: str = "") -> list[str]:
        """Return the decimal numbers of an entry as they are written.

        Raises:
            UnreadableFileError: There are not as many, or they are not numbers.
        """
        text = self.text(keyword) or default
        parts = [part.strip(" \0") for part in text.split("\\")]
        if len(parts) != count or not all(map(DECIMAL.fullmatch, parts)):
            what = f"{count} numbers that say where it lies" if count > 1 else "a number"
            raise UnreadableFileError(
                f"DAR-147: {self.path}: tag {name_of(keyword)} holds {shown(text)}, expected {what}: export it again"
            )
        return parts

    def numbers(self, keyword: str, count: int) -> NDArray[np.float64]:
        """Return the numbers of an entry, see `decimals`."""
        return np.array([float(part) for part in self.decimals(keyword, count)])

    def whole(self, keyword: str, default: int | None = None) -> int:
        """Return the unsigned 16-bit number of an entry.

        Raises:
            UnreadableFileError: It is absent without a default, or is not such a number.
        """
        raw = self.raw(keyword)
        if not raw and default is not None:
            return default
        if len(raw) != 2:
            found = f"{len(raw)} bytes" if raw else "nothing"
            raise UnreadableFileError(
                f"DAR-147: {self.path}: tag {name_of(keyword)} holds {found}, expected one whole number: export it "
                "again"
            )
        return int.from_bytes(raw, "little" if self.dataset.get_item(keyword).is_little_endian else "big")


def read_header(path: Path, with_pixels: bool = False) -> Header:
    """Return the header of a file, without its pixels' bytes unless asked for.

    Raises:
        UnreadableFileError: It cannot be read as DICOM.
    """
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # it cites what is in headers, as its warnings do
    if not path.stat().st_size:
        raise UnreadableFileError(f"DAR-144: {path} is empty: it was cut short; copy it again")
    tags = [Tag(tag_for_keyword(keyword)) for keyword in ENTRIES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with CountedFile(path) as file:
                for limit in (None,) if with_pixels else (LONG, None):
                    file.seek(0)
                    dataset = read_partial(file, _after_pixels, defer_size=limit, force=True, specific_tags=tags)
                    meta = [str(dataset.file_meta.get(k, "")) for k in ("TransferSyntaxUID", "MediaStorageSOPClassUID")]
                    header = Header(path, dataset, *meta)
                    if header.syntax != DeflatedExplicitVRLittleEndian:
                        break  # else what was left on the disk cannot be found there
        except (UnreadableFileError, OSError):
            raise
        except Exception:  # a dozen kinds for files that are broken or something else; their texts may cite a header
            reason = "it was cut short or damaged; copy it again" if is_dicom(path) else "move it away"
            foreign = foreign_file(path) or f"is no DICOM image that can be read: {reason} (DAR-140)"
            raise UnreadableFileError(f"{path} {foreign}") from None
    return header


def read_entries(path: Path, keywords: Sequence[str]) -> Dataset:
    """Return the entries of these keywords that a file has, without its pixels.

    Raises:
        UnreadableFileError: It cannot be read as DICOM.
    """
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with CountedFile(path) as file:
                dataset = dcmread(file, force=True, stop_before_pixels=True, specific_tags=list(keywords))
            elements = [dataset.get_item(keyword) for keyword in keywords if keyword in dataset]
            whole = not any(isinstance(one, RawDataElement) and _is_short(one) for one in elements)
        except UnreadableFileError:
            raise
        except Exception:  # as in `read_header`
            whole = False
    if not whole:
        raise UnreadableFileError(
            f"DAR-140: {path} is no DICOM file that can be read: it was cut short or damaged; copy it again"
        )
    return dataset


def _is_short(element: RawDataElement) -> bool:
    """Return whether the file ended within an element."""
    return element.length != UNDEFINED and element.value is not None and len(element.value) < element.length


def foreign_file(path: Path) -> str | None:
    """Return what a file that is no DICOM is instead of a slice, and what to do; None where it may be a stray file."""
    if path.suffix.lower() in TEXTS:
        return None
    with suppress(OSError, EOFError, zlib.error), gzip.open(path) as file:
        return "is packed with gzip: unpack it (DAR-121)" if file.read(132)[128:] == b"DICM" else None
    return foreign_content(path)


def name_of(keyword: str) -> str:
    """Return tag and keyword of an entry, for a message."""
    tag = Tag(tag_for_keyword(keyword))
    return f"({tag.group:04x}|{tag.element:04x}) {keyword}"


def shown(text: str) -> str:
    """Return numbers or a UID for a message; anything else may be another entry's text, such as a name."""
    return repr(text) if NUMBERS.fullmatch(text) else "what cannot be its text"


def _after_pixels(tag: int, *_) -> bool:
    return tag > tag_for_keyword("PixelData")
