"""Real DICOM files with the traps of anonymized sets: names, UIDs and slice thickness that mislead."""

import struct

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

PATIENT = "Planted^Jane"
"""Stands in every header that is made for a test; nothing that is made from these may hold it."""
ONE_STUDY = {"0020|000d": "1.2.826.0.1.3680043.2.1125.90", "0020|0052": "1.2.826.0.1.3680043.2.1125.91"}
"""Tags that several slices share: study and frame of reference."""
NAMES = ["m.dcm", "c.dcm", "z.dcm", "a.dcm", "k.dcm"]
# Rows, columns and normal of an oblique plane (LPS), each of length 1.
ROWS, COLUMNS = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])
NORMAL = np.cross(ROWS, COLUMNS)
ORIGIN = np.array([-20.0, 30.0, -100.0])
CT = "1.2.840.10008.5.1.4.1.1.2"


def write_slice(
    path, pixels, position, slope="1", intercept="-1024", uid=1, directions=(ROWS, COLUMNS), spacing=(0.7, 0.9), **tags
):
    """Write one CT slice (rows, columns) of these values with a wrong slice thickness and UID."""
    rows, columns = directions
    image = sitk.GetImageFromArray(pixels.astype(np.int16)[None])
    image.SetSpacing((*spacing, 1.0))
    image.SetDirection(np.stack([rows, columns, np.cross(rows, columns)], axis=1).ravel().tolist())
    image.SetOrigin([float(value) for value in position])
    tags = {
        "0008|0060": "CT",
        "0010|0010": PATIENT,
        "0010|0020": PATIENT,
        "0008|0090": PATIENT,
        "0010|4000": f"Comments on {PATIENT}",
        "0020|000e": f"1.2.826.0.1.3680043.2.1125.{uid}",
        "0020|0032": "\\".join(f"{value:.6f}" for value in position),
        "0020|0037": "\\".join(f"{value:.6f}" for value in (*rows, *columns)),
        "0018|0050": "9.0",
        "0028|1052": intercept,
        "0028|1053": slope,
        **tags,
    }
    for key, value in tags.items():
        image.SetMetaData(key, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(path))
    writer.Execute(image)
    _insert_private_tags(path)


def _insert_private_tags(path):
    """Put the patient's name into a private tag too, before that of the name itself (implicit little endian)."""
    content, name = path.read_bytes(), PATIENT.encode()
    place = content.index(struct.pack("<HHI", 0x10, 0x10, len(name)) + name)
    private = struct.pack("<HHI", 0x9, 0x10, 4) + b"ACME" + struct.pack("<HHI", 0x9, 0x1001, len(name)) + name
    path.write_bytes(content[:place] + private + content[place:])


def write_series(folder, steps=(0, 2.5, 5, 7.5, 10), **tags):
    """Write five slices under names whose order is not theirs; return the paths in order of position."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(-1000, 2000, (5, 6, 8))
    for k, (name, step) in enumerate(zip(NAMES, steps, strict=True)):
        write_slice(folder / name, pixels[k], ORIGIN + step * NORMAL, uid=k, **tags)
    return [folder / name for name in NAMES]


def write_as_dicom(image, folder, names):
    """Write a SimpleITK image as one DICOM file per slice, of these names in the slices' order, all of one UID."""
    folder.mkdir(parents=True)
    directions = np.reshape(image.GetDirection(), (3, 3)).T
    pixels = sitk.GetArrayFromImage(image)
    for k, name in enumerate(names):
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        layout = {"directions": directions[:2], "spacing": image.GetSpacing()[:2]}
        write_slice(folder / name, pixels[k], position, intercept="0", **layout, **ONE_STUDY)


def make_slice(stored, position=(0, 0, 0), signed=False, bits=16, high=None, spacing=(0.7, 0.9), **entries):
    """Return one axial CT slice of these stored values (rows, columns), explicit little endian, unsigned by default.

    Args:
        bits: Those that are stored, of as many as the array's numbers have.
        high: The highest of them.
        spacing: Between rows, between columns.
        entries: Others by keyword; None leaves one out.
    """
    size = stored.dtype.itemsize
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values = {
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.826.0.1.3680043.2.1125.90",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.2.1125.1",
        "FrameOfReferenceUID": "1.2.826.0.1.3680043.2.1125.91",
        "Modality": "CT",
        "PatientName": PATIENT,
        "PatientID": PATIENT,
        "ImagePositionPatient": [f"{value:.10g}" for value in position],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [str(value) for value in spacing],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "BitsAllocated": 8 * size,
        "BitsStored": min(bits, 8 * size),
        "HighBit": min(bits, 8 * size) - 1 if high is None else high,
        "PixelRepresentation": int(signed),
        "PixelData": stored.tobytes(),
        **entries,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OB" if size == 1 else "OW"
    return dataset


def save_slice(dataset, path, syntax=None):
    """Write a slice, in another transfer syntax than explicit little endian if one is given; return the path."""
    syntax = syntax or dataset.file_meta.TransferSyntaxUID
    if syntax == ExplicitVRBigEndian and dataset.BitsAllocated > 8:
        dataset.PixelData = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}").byteswap().tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    little = syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(
        path, dataset, enforce_file_format=True, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little
    )
    return path


def save_series(folder, slices, step=2.5):
    """Write slices `step` mm apart as a folder; return it."""
    for k, dataset in enumerate(slices):
        dataset.ImagePositionPatient = ["0", "0", f"{step * k:.10g}"]
        save_slice(dataset, folder / f"{k:03}.dcm")
    return folder
