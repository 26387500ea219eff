"""A mask as a DICOM Segmentation (SEG) that belongs to the series it was made of."""

import logging
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.enum import PatientSexValues
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.charset import convert_encodings
from pydicom.config import strict_reading
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DA, TM, DSfloat

from dar_uda.data.dicom import series_order
from dar_uda.data.dicom.bounds import CountedFile
from dar_uda.data.grid import LPS_TO_RAS
from dar_uda.data.volume import Volume
from dar_uda.jobs.files import write_beside

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
UTF8 = "ISO_IR 192"
COMMON = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
"""What a SEG can refer to one of alone."""
EACH = ("SOPClassUID", "SOPInstanceUID", "Modality")
MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)
TEXTS = ("ReferringPhysicianName", "StudyDescription", "PatientComments")
"""What else highdicom copies that people write, most often."""
KINDS = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM, "PatientSex": PatientSexValues}
"""What raises where a value is not as the standard says."""


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
            slices = [_header(file, _slice_spacing(mask.grid.affine)) for file in files]
            _check(series, slices)
            _turn_alike(slices, mask.grid.affine)
            _to_utf8(series, slices[0])
            with write_beside(path) as temporary:
                _segmentation(slices, mask.array.T, structures, model).save_as(temporary)
        except (OSError, MissingEntryError):
            raise
        except Exception as error:
            kind = type(error).__name__  # its text may cite a header
            raise ValueError(
                f"DAR-319: {series}: highdicom makes no DICOM SEG of its headers ({kind}): see whether they are as "
                "DICOM's standard says"
            ) from None


def _slice_spacing(affine: NDArray[np.float64]) -> float:
    """Return the distance of neighboring slices along their normal, in mm."""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    return float(abs(affine[:3, 2] @ normal) / np.linalg.norm(normal))


def _turn_alike(slices: Sequence[pydicom.Dataset], affine: NDArray[np.float64]) -> None:
    """Give slices whose directions differ by rounding, which highdicom takes for several stacks, those of the mask."""
    if all(header.ImageOrientationPatient == slices[0].ImageOrientationPatient for header in slices):
        return
    directions = (LPS_TO_RAS @ affine)[:3, :2]
    for header in slices:
        header.ImageOrientationPatient = [
            DSfloat(number, auto_format=True) for number in (directions / np.linalg.norm(directions, axis=0)).T.ravel()
        ]


def _header(file: Path, spacing: float) -> pydicom.Dataset:
    """Return a file's header, with those entries that the standard wants, if empty; of the thickness, the spacing."""
    with CountedFile(file) as opened:
        header = pydicom.dcmread(opened, stop_before_pixels=True, force=True)
    for name in MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, None)
    try:
        float(header.SliceThickness)
    except (AttributeError, TypeError, ValueError):
        header.SliceThickness = DSfloat(spacing, auto_format=True)
    return header


def _check(series: str | Path, slices: Sequence[pydicom.Dataset]) -> None:
    missing = sorted({name for header in slices for name in (*COMMON, *EACH) if not header.get(name)})
    if missing:
        raise MissingEntryError(
            f"DAR-317: {series}: files without {', '.join(missing)}; a DICOM SEG must refer to them"
        )
    for name in COMMON:
        found = len({header[name].value for header in slices})
        if found > 1:
            raise MissingEntryError(
                f"DAR-318: {series}: found {found} of {name}, expected one, to which a DICOM SEG can refer"
            )
    if any(header.SOPClassUID.name == header.SOPClassUID for header in slices):
        raise MissingEntryError(
            f"DAR-321: {series}: SOPClassUID is not one of DICOM's standard; a DICOM SEG must refer to it"
        )
    odd = [name for name in MAY_BE_EMPTY if not _is_standard(name, slices[0][name].value)]
    if odd:
        raise MissingEntryError(
            f"DAR-319: {series}: highdicom makes no DICOM SEG of its headers (ValueError): DICOM's standard does not "
            f"allow what {', '.join(odd)} holds; correct or empty it"
        )


def _is_standard(name: str, value: Any) -> bool:
    try:
        if value:
            KINDS.get(name, str)(value)
            setattr(pydicom.Dataset(), name, value)
    except Exception:  # pydicom and highdicom have several kinds for these
        return False
    return not isinstance(value, MultiValue)


def _to_utf8(series: str | Path, header: pydicom.Dataset) -> None:
    """Decode the texts of the header that the SEG takes patient and study from, and say that they are in UTF-8.

    Raises:
        MissingEntryError: The header does not say how they are to be decoded.
    """
    try:
        with strict_reading():
            convert_encodings(header.get("SpecificCharacterSet"))
        known = True
    except LookupError:
        known = False
    header.remove_private_tags()
    texts = {name: str(header[name].value or "") for name in (*MAY_BE_EMPTY, *TEXTS) if name in header}
    odd = [name for name, text in texts.items() if "\ufffd" in text or not (known or text.isascii())]
    if odd:
        raise MissingEntryError(
            f"DAR-320: {series}: letters in {', '.join(odd)} that SpecificCharacterSet does not say how to read; "
            "correct it"
        )
    header.SpecificCharacterSet = UTF8


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
