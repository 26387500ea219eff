"""A label map stored as PNG files, one per slice of a DICOM series (CHAOS)."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.dicom import series_order
from dar_uda.data.reading import reading


def png_files(folder: str | Path) -> list[Path]:
    """Return the PNG files of a folder, sorted by name; hidden files are ignored."""
    return sorted(path for path in Path(folder).glob("*.png") if not path.name.startswith("."))


def read_png_labels(folder: str | Path, series: str | Path) -> NDArray:
    """Return the grey values of the PNG files of a folder, stacked as the slices of their DICOM series.

    PNG and DICOM files pair by sorted name; the slices then take the DICOM files' order in space.

    Args:
        folder: The PNG files, as many as the series has slices.
        series: Folder of the DICOM files.

    Returns:
        Array (columns, rows, slices), on the grid of `dar_uda.data.dicom.read_series`.

    Raises:
        ValueError: The counts differ, or a PNG is no grey image of its slice's size.
    """
    files = png_files(folder)
    in_space, size = series_order(series)
    if len(files) != len(in_space):
        raise ValueError(
            f"{folder} holds {len(files)} PNG files, its series {series} {len(in_space)} slices: "
            "expected one PNG a slice; complete the folder, or leave the case out"
        )
    pairs = dict(zip(sorted(in_space), files, strict=True))
    return np.stack([_read_png(pairs[path], size) for path in in_space]).T


def _read_png(path: Path, size: tuple[int, int]) -> NDArray:
    with reading(path):
        image = sitk.ReadImage(str(path), imageIO="PNGImageIO")
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetSize() != size:
        raise ValueError(
            f"{path} has {image.GetNumberOfComponentsPerPixel()} channels of {image.GetSize()} pixels, "
            f"expected 1 of {size}, as its DICOM slice has"
        )
    return sitk.GetArrayFromImage(image)
