"""RTSTRUCT files made by hand, and series to draw on."""

import numpy as np
from pydicom.sequence import Sequence

from tests.data.dicom_files import COLUMNS, NORMAL, ORIGIN, ROWS, make_slice, save_slice
from tests.data.enhanced_files import item

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SERIES, SPACE = "1.2.826.0.1.3680043.2.1125.1", "1.2.826.0.1.3680043.2.1125.91"
SPACING = (0.7, 0.9, 2.5)
"""Between rows, columns and slices."""
AXIAL = (np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 1.0]))
OBLIQUE = (ROWS, COLUMNS, NORMAL)


def save_scan(folder, directions=AXIAL, shape=(6, 7, 8), **entries):
    """Write a series of (slices, rows, columns) in `directions` of rows, columns and normal from ORIGIN on; return it.

    Files have names whose order is not that of the places.
    """
    rows_columns = [f"{value:.9g}" for value in np.concatenate(directions[:2])]
    for k in range(shape[0]):
        stored = np.full(shape[1:], k, "<u2")
        one = make_slice(stored, spacing=SPACING[:2], **{"ImageOrientationPatient": rows_columns, **entries})
        one.ImagePositionPatient = [f"{value:.9g}" for value in place((0, 0, k), directions)]
        save_slice(one, folder / f"{(5 * k) % 7}.dcm")
    return folder


def place(index, directions=AXIAL):
    """Return where a (column, row, slice) lies: mm, LPS."""
    steps = SPACING[1] * directions[0], SPACING[0] * directions[1], SPACING[2] * directions[2]
    return ORIGIN + sum(number * step for number, step in zip(index, steps, strict=True))


def contour(points, slice_, directions=AXIAL, kind="CLOSED_PLANAR"):
    """Return a contour whose points are (column, row) of a slice."""
    places = [f"{value:.7g}" for point in points for value in place((*point, slice_), directions)]
    return item(ContourGeometricType=kind, NumberOfContourPoints=len(points), ContourData=places)


def make_rtstruct(structures, space=SPACE, series=SERIES, **entries):
    """Return an RTSTRUCT.

    Args:
        structures: Name and contours by number.
    """
    referenced = item(
        FrameOfReferenceUID=space,
        RTReferencedStudySequence=Sequence(
            [item(RTReferencedSeriesSequence=Sequence([item(SeriesInstanceUID=series)]))]
        ),
    )
    rois = [
        item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=space)
        for number, (name, _) in structures.items()
    ]
    contours = [
        item(ReferencedROINumber=number, ContourSequence=Sequence(of_one)) for number, (_, of_one) in structures.items()
    ]
    nothing = dict.fromkeys(
        ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    return make_slice(
        np.zeros((2, 2), "<u2"),
        **{"SOPClassUID": RTSTRUCT, "Modality": "RTSTRUCT", "SeriesInstanceUID": "1.2.3", **nothing},
        **{"ReferencedFrameOfReferenceSequence": Sequence([referenced])} if series else {},
        **{"StructureSetROISequence": Sequence(rois), "ROIContourSequence": Sequence(contours), **entries},
    )
