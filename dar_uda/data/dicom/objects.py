"""What a DICOM file is: an image, or something else that is refused by its name."""

from pathlib import Path

from pydicom.config import IGNORE
from pydicom.uid import UID

from dar_uda.data.contents import is_dicom
from dar_uda.data.dicom.header import PIXELS, Header, foreign_file, read_header
from dar_uda.data.reading import UnreadableFileError

SEGMENTATIONS = {
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.5": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
}
"""By SOP class: contours, segments, surfaces, label maps."""
DIRECTORY = "1.2.840.10008.1.3.10"
OF_IMAGES = ("Image", "Dose", "Volume", "Map")
"""One of these words is in the name of every SOP class that holds pixels."""


def sop_class(header: Header) -> str:
    """Return the SOP class, of the file's meta information where the header has none; empty where both lack it."""
    return header.text("SOPClassUID") or header.stored_as


def kind_of_label(header: Header) -> str:
    """Return RTSTRUCT or SEG for a file that holds contours or segments, empty for any other."""
    kind = SEGMENTATIONS.get(sop_class(header)) or header.text("Modality")
    return kind if kind in SEGMENTATIONS.values() else ""


def is_directory(header: Header) -> bool:
    """Return whether it is a DICOMDIR, which lists files and holds no image."""
    return sop_class(header) == DIRECTORY


def check_image(header: Header) -> None:
    """Raise where a file holds no image.

    Raises:
        UnreadableFileError: It names what the file is, or that it was cut short, and what to do.
    """
    path, uid = header.path, sop_class(header)
    if kind := kind_of_label(header):
        raise UnreadableFileError(
            f"DAR-141: {path} is a DICOM {kind}, which holds no image: name the file itself as label of its series, "
            "and move it out of the folder of images"
        )
    if "Rows" in header and any(keyword in header for keyword in PIXELS):
        return
    name = UID(uid, validation_mode=IGNORE).name if uid else ""
    if name and name != uid and not any(word in name for word in OF_IMAGES):
        raise UnreadableFileError(
            f"DAR-142: {path} is a DICOM object of the class {name!r}, which holds no image: move it away"
        )
    if is_dicom(path) or "Rows" in header:
        raise UnreadableFileError(
            f"DAR-144: {path} ends before its pixels: it was cut short, or holds none; copy it again"
        )
    stray = "is no DICOM image: a folder holds the files of one series, nothing else; move it away (DAR-140)"
    raise UnreadableFileError(f"{path} {foreign_file(path) or stray}")


def refuse_objects_of(folder: Path) -> None:
    """Raise where a folder holds a DICOM RTSTRUCT, SEG or another object without an image.

    Raises:
        UnreadableFileError: It names the file.
    """
    for path in sorted(folder.iterdir()):
        if path.is_file() and is_dicom(path):
            check_image(read_header(path))
