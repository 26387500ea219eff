"""Enhanced multi-frame DICOM files, made by hand."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.data.dicom_files import make_slice

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def item(**entries):
    dataset = Dataset()
    for keyword, value in entries.items():
        setattr(dataset, keyword, value)
    return dataset


def group(keyword, **entries):
    """Return a functional group: a sequence of one item."""
    return {keyword: Sequence([item(**entries)])}


def make_enhanced(stored, positions, slopes=None, spacing=(0.7, 0.9), directions=(1, 0, 0, 0, 1, 0), **entries):
    """Return an enhanced CT of these stored values (frames, rows, columns), a frame at each position (mm, LPS).

    Args:
        slopes: Of each frame; None: the file says none.
        spacing: Between rows, between columns.
    """
    shared = item(
        **group("PixelMeasuresSequence", PixelSpacing=[str(value) for value in spacing]),
        **group("PlaneOrientationSequence", ImageOrientationPatient=[f"{value:.9g}" for value in directions]),
    )
    frames = []
    for k, position in enumerate(positions):
        frame = group("PlanePositionSequence", ImagePositionPatient=[f"{value:.9g}" for value in position])
        if slopes:
            rescale = {"RescaleSlope": str(slopes[k]), "RescaleIntercept": "-10", "RescaleType": "HU"}
            frame |= group("PixelValueTransformationSequence", **rescale)
        frames.append(item(**frame))
    first = {"SOPClassUID": ENHANCED_CT, "ImagePositionPatient": None, "ImageOrientationPatient": None}
    groups = {
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(frames),
    }
    whole = {"PixelData": np.ascontiguousarray(stored).tobytes(), "NumberOfFrames": len(stored), "PixelSpacing": None}
    return make_slice(stored[0], **{**first, **groups, **whole, **entries})
