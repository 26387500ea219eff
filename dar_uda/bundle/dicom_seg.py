"""A mask as a DICOM Segmentation (SEG) that belongs to the series it was made of."""

import logging
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dar_uda.data.dicom import series_order
from dar_uda.data.files import write_beside
from dar_uda.data.volume import Volume

NAME, SCHEME = "DAR-UDA", "99DARUDA"
LONGEST = 64
"""Characters of a text in a header."""
SNOMED = {
    "liver": codes.SCT.Liver,
    "spleen": codes.SCT.Spleen,
    "kidney": codes.SCT.Kidney,
    "right_kidney": Code("9846003", "SCT", "Right kidney"),
    "left_kidney": Code("18639004", "SCT", "Left kidney"),
    "pancreas": codes.SCT.Pancreas,
    "heart": codes.SCT.Heart,
    "left_ventricle": codes.SCT.LeftVentricle,
    "right_ventricle": codes.SCT.RightVentricle,
}
"""Names of structures that SNOMED CT has; any other gets a code of this program's own."""
COMMON = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
"""What a SEG can refer to one of alone."""
EACH = ("SOPClassUID", "SOPInstanceUID", "Modality")
MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)


class MissingEntryError(ValueError):
    """Headers that lack what a SEG refers to."""


def write_segmentation(
    path: str | Path, series: str | Path, mask: Volume, structures: Sequence[str], model: str
) -> None:
    """Write the mask of a DICOM series as SEG: patient, study, frame of reference and geometry are the series' own.

    Args:
        path: Output, `.dcm`.
        series: The folder; see `read_series`.
        mask: Classes 1..K, of the shape and in the order in which the series is read.
        structures: Their names.
        model: What made the mask, for the header.

    Raises:
        ValueError: The series' headers do not hold what a SEG must refer to. The message repeats no value of theirs.
    """
    files, _ = series_order(series)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they cite what is in headers
        try:
            slices = [_header(file) for file in files]
            _check(series, slices)
            with write_beside(path) as temporary:
                _segmentation(slices, mask.array.T, structures, model).save_as(temporary)
        except (OSError, MissingEntryError):
            raise
        except Exception as error:
            kind = type(error).__name__  # its text may cite a header
            raise ValueError(
                f"{series}: highdicom makes no DICOM SEG of its headers ({kind}): see whether they are as DICOM's "
                "standard says, such as dates and the patient's sex"
            ) from None


def _header(file: Path) -> pydicom.Dataset:
    """Return a file's header, with those entries that the standard wants, if empty."""
    header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    for name in MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, None)
    return header


def _check(series: str | Path, slices: Sequence[pydicom.Dataset]) -> None:
    missing = sorted({name for header in slices for name in (*COMMON, *EACH) if not header.get(name)})
    if missing:
        raise MissingEntryError(f"{series}: files without {', '.join(missing)}; a DICOM SEG must refer to them")
    for name in COMMON:
        found = len({header[name].value for header in slices})
        if found > 1:
            raise MissingEntryError(f"{series}: found {found} of {name}, expected one, to which a DICOM SEG can refer")


def _segmentation(
    slices: Sequence[pydicom.Dataset], classes: NDArray[np.uint8], structures: Sequence[str], model: str
) -> Segmentation:
    version = _version()
    algorithm = hd.AlgorithmIdentificationSequence(NAME, codes.DCM.ArtificialIntelligence, version)
    return Segmentation(
        source_images=slices,
        pixel_array=classes,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            SegmentDescription(number, name, *concepts(name), SegmentAlgorithmTypeValues.AUTOMATIC, algorithm)
            for number, name in enumerate(structures, start=1)
        ],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=NAME,
        manufacturer_model_name=model[:LONGEST],
        software_versions=version,
        device_serial_number="none",
        content_label="SEGMENTATION",
        series_description=f"{NAME} {model}"[:LONGEST],
    )


def concepts(structure: str) -> tuple[Code, Code]:
    """Return category and type of a structure as coded concepts."""
    if structure in SNOMED:
        return codes.SCT.AnatomicalStructure, SNOMED[structure]
    return Code("structure", SCHEME, "Structure"), Code(structure, SCHEME, structure.replace("_", " ")[:LONGEST])


def _version() -> str:
    try:
        return metadata.version("dar-uda")
    except metadata.PackageNotFoundError:
        return "not installed"


for library in ("highdicom", "pydicom"):
    logging.getLogger(library).setLevel(logging.CRITICAL + 1)  # they cite what is in headers
