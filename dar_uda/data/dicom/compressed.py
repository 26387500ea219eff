"""The compressed pixels of a DICOM file: RLE and JPEG-LS by pydicom, JPEG and JPEG 2000 by GDCM."""

import struct
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from dar_uda.data.dicom.pixel_format import PixelFormat
from dar_uda.data.reading import UnreadableFileError

BY_PYDICOM = (RLELossless, *JPEGLSTransferSyntaxes)
COMPRESSED = (*BY_PYDICOM, *JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes)
END_OF_JPEG = b"\xff\xd9"
FRAMES_OF_JPEG = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
"""The second bytes of the markers that say how large an image is, 0xF7 that of JPEG-LS."""
WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xDA), 0xFF))
"""The second bytes of markers that are alone, and of none."""
START_OF_JPEG_2000 = b"\xff\x4f\xff\x51"
RLE_RATIO = 64
"""A run of two bytes holds no more than 128."""


def decompressed(path: Path, syntax: str, stream: bytes, pixels: PixelFormat) -> NDArray:
    """Return the words (rows, columns) of the compressed pixels of a frame.

    Raises:
        UnreadableFileError: They do not end, or are not as many as there should be.
    """
    if syntax != RLELossless and END_OF_JPEG not in stream.rstrip(b"\0")[-4:]:
        raise UnreadableFileError(f"DAR-144: {path} was cut short: its compressed pixels do not end; copy it again")
    if not _fits(syntax, stream, pixels):
        raise UnreadableFileError(
            f"DAR-145: {path}: its compressed pixels say another size than its header, or are damaged; copy it again"
        )
    words = (_by_pydicom if syntax in BY_PYDICOM else _by_gdcm)(_bare(syntax, stream, pixels))
    if words.size != pixels.rows * pixels.columns or words.itemsize > pixels.allocated // 8:
        raise UnreadableFileError(
            f"DAR-145: {path} decompresses to {words.shape} pixels of {words.dtype}, expected {pixels.rows} rows of "
            f"{pixels.columns} of {pixels.allocated} bits: export it again"
        )
    return words.reshape(pixels.rows, pixels.columns).astype(f"u{pixels.allocated // 8}")


def _fits(syntax: str, stream: bytes, pixels: PixelFormat) -> bool:
    """Return whether a stream can be rows, columns and bits of the header: libraries trust it, and may crash."""
    if syntax == RLELossless:
        return pixels.rows * pixels.columns * pixels.allocated // 8 <= RLE_RATIO * len(stream)
    found = (_size_of_jpeg_2000 if syntax in JPEG2000TransferSyntaxes else _size_of_jpeg)(stream)
    return found is not None and found[0] <= pixels.allocated and found[1:] == (pixels.rows, pixels.columns, 1)


def _size_of_jpeg(stream: bytes) -> tuple[int, int, int, int] | None:
    """Return bits, rows, columns and numbers per pixel by the first frame of a JPEG or JPEG-LS stream."""
    place = 2
    while stream[place : place + 1] == b"\xff" and place + 10 <= len(stream):
        if stream[place + 1] in WITHOUT_LENGTH:
            return None  # libraries go on behind it, and find another frame than is found here
        length = int.from_bytes(stream[place + 2 : place + 4])
        if stream[place + 1] in FRAMES_OF_JPEG:
            return struct.unpack(">BHHB", stream[place + 4 : place + 10])
        place += 2 + length
    return None


def _size_of_jpeg_2000(stream: bytes) -> tuple[int, int, int, int] | None:
    """Return bits, rows, columns and numbers per pixel by the first marker of a JPEG 2000 stream.

    One in a JP2 file lies behind boxes, any of which may hold another that is not decoded.
    """
    place = stream.find(START_OF_JPEG_2000)
    if place < 0 or (place > 0 and stream.count(START_OF_JPEG_2000) > 1) or place + 43 > len(stream):
        return None
    right, bottom, left, top = struct.unpack(">4I", stream[place + 8 : place + 24])
    numbers, bits = struct.unpack(">HB", stream[place + 40 : place + 43])
    return (bits & 127) + 1, bottom - top, right - left, numbers


def _bare(syntax: str, stream: bytes, pixels: PixelFormat) -> Dataset:
    """Return a header of whole words alone, so that libraries decide nothing by other entries."""
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = UID(syntax)
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    bare.Rows, bare.Columns, bare.SamplesPerPixel = pixels.rows, pixels.columns, 1
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = pixels.allocated, pixels.allocated, pixels.allocated - 1
    bare.PixelRepresentation = 0
    bare.PixelData = encapsulate([stream])
    return bare


def _by_pydicom(bare: Dataset) -> NDArray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns where pixels are too many
        return pixel_array(bare, raw=True)


def _by_gdcm(bare: Dataset) -> NDArray:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "slice.dcm"
        bare.save_as(file, enforce_file_format=True)
        return sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))
