"""The frames of an enhanced multi-frame file (image or segmentation), each with the header that a slice has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from numpy.typing import NDArray
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from dar_uda.data.ceiling import check_voxels
from dar_uda.data.dicom.bounds import check_items
from dar_uda.data.dicom.header import Header, read_entries, read_header, shown
from dar_uda.data.dicom.objects import check_image
from dar_uda.data.dicom.pixel_format import PixelFormat
from dar_uda.data.dicom.pixels import DECOMPRESS, check_gray, format_of, rescale_of, rescaled, stored_frames
from dar_uda.data.memory import need_memory
from dar_uda.data.reading import UnreadableFileError, reading

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
OF_ALL = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "FrameOfReferenceUID"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
)
"""What the file says once, of all frames."""
PLACE = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing",),
}
"""The functional groups that say where a frame lies, and the entries of a slice that each holds."""
VALUES = {"PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept")}
MOST_FRAMES = 2**17


def has_frames(header: Header) -> bool:
    """Return whether a file says of each of its frames where it lies."""
    return header.has_items(PER_FRAME)


def frames_of(header: Header, groups: Mapping[str, Sequence[str]]) -> list[Header]:
    """Return a header for each frame: what the file says of all frames, and the entries of functional groups.

    Args:
        groups: Entries by the functional group that holds them; those of the frame come before those of all frames.

    Raises:
        UnreadableFileError: The functional groups cannot be read, or are not as many as the frames.
    """
    path, text = header.path, header.text("NumberOfFrames")
    common = [header.dataset.get_item(keyword) for keyword in OF_ALL if keyword in header]
    check_items(path)
    try:
        read = read_entries(path, (SHARED, PER_FRAME))
        common += _entries((read.get(SHARED) or [Dataset()])[0], groups)
        each = [[*common, *_entries(frame, groups)] for frame in read.get(PER_FRAME)]
    except Exception:  # a dozen kinds for files that are broken; their texts may cite a header
        raise UnreadableFileError(
            f"DAR-430: {path}: its functional groups cannot be read: it was cut short or damaged; copy it again"
        ) from None
    count = len(each)
    if text != str(count) or count > MOST_FRAMES:
        raise UnreadableFileError(
            f"DAR-430: {path} says where {count} frames lie, and has {shown(text)}; expected the same number, up to "
            f"{MOST_FRAMES}: export it again"
        )
    return [_header(header, entries) for entries in each]


def read_frames(header: Header) -> list[NDArray]:
    """Return the values (rows, columns) of each frame of an enhanced image, rescaled as `read_pixels` does."""
    frames = frames_of(header, VALUES)
    count, pixels = len(frames), image_format(header, len(frames))
    need_memory(2 * count * pixels.rows * pixels.columns * pixels.allocated // 8, f"{header.path}: its {count} frames")
    with reading(header.path, DECOMPRESS):
        stored = stored_frames(read_header(header.path, with_pixels=True), pixels, count)
        of_frames = [replace(pixels, slope=slope, intercept=intercept) for slope, intercept in map(rescale_of, frames)]
        return list(map(rescaled, stored, of_frames))


def image_format(header: Header, frames: int) -> PixelFormat:
    """Return how the pixels of an enhanced image are stored.

    Raises:
        UnreadableFileError: It is none of gray values, or was cut short.
    """
    check_image(header)
    check_gray(header, frames)
    check_voxels(header.path, (header.whole("Columns"), header.whole("Rows"), frames))
    return format_of(header, frames)


def _entries(frame: Dataset, groups: Mapping[str, Sequence[str]]) -> Iterator[DataElement | RawDataElement]:
    for group, keywords in groups.items():
        for item in list(frame.get(group) or ())[:1]:
            yield from (item.get_item(keyword) for keyword in keywords if keyword in item)


def _header(header: Header, entries: Sequence[DataElement | RawDataElement]) -> Header:
    dataset = Dataset()
    for entry in entries:
        dataset[entry.tag] = entry
    return Header(header.path, dataset, header.syntax, header.stored_as)
