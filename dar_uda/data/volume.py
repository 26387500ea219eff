"""A 3D volume in (NIfTI, MetaImage, NRRD or DICOM file, or DICOM folder) and a mask out, on the volume's own grid."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from numpy.typing import NDArray

from dar_uda.data.absent import advice_on_absent
from dar_uda.data.contents import is_dicom
from dar_uda.data.grid import Grid, nifti_header
from dar_uda.data.label_numbers import is_drawn
from dar_uda.data.nifti import nifti_grid, nifti_values, open_nifti
from dar_uda.data.reading import UnreadableFileError, reading
from dar_uda.data.volume_index import split_index
from dar_uda.jobs.files import write_beside

COMMENT = 6
"""NIfTI's code of a header extension that is plain text."""
GZIP, LONGEST_HEADER = zlib.MAX_WBITS + 16, 2**14
ITK_SUFFIXES = (".mha", ".mhd", ".nrrd", ".nhdr")
DICOM_SLICES = 2
"""Axis of a series across its slices."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Values and the grid they lie on; `array` has the grid's shape, in the file's axis order."""

    array: NDArray
    grid: Grid


def read_volume(path: str | Path) -> Volume:
    """Return a volume file, one volume of a 4D file (`a.nii.gz/3`) or a folder of DICOM files (one series) as a volume.

    Values are as stored where the file has no scaling (integers stay integers), float32 otherwise.

    Raises:
        FileNotFoundError: There is nothing of this name.
        ValueError: The file is no whole 3D volume, or the folder no DICOM series.
    """
    path, index = _located(path)
    if is_series(path):
        from dar_uda.data.dicom import read_series

        array, affine = read_series(path)
        return Volume(array, Grid(array.shape, affine, acquired=DICOM_SLICES))
    if path.suffix.lower() in ITK_SUFFIXES:
        from dar_uda.data.itk_formats import read_itk

        return Volume(*read_itk(path))
    image = open_nifti(path)
    grid = nifti_grid(image, path, index)
    return Volume(nifti_values(image, grid, path, index), grid)


def is_series(path: Path) -> bool:
    """Return whether a path is read as a DICOM series: a folder, or a DICOM file, which may hold one."""
    return path.is_dir() or is_dicom(path)


def read_label(path: str | Path, image: str | Path, values: Sequence[Sequence[int]] | None = None) -> Volume:
    """Return a label file, or a folder with a PNG file for every slice of a DICOM series, as a volume.

    Args:
        image: The scan of the label: what a folder of PNG files, a DICOM SEG and an RTSTRUCT take their grid from.
        values: Of each class, see `numbers_of`: a SEG or RTSTRUCT is drawn with the structures of these numbers, those
            of a later class over those of an earlier one; None: with all.

    Raises:
        ValueError: The file is no 3D NIfTI volume in mm, or the PNG files are not those of the series, or structures
            were not drawn on this scan.
    """
    path, image = Path(path), Path(image)
    if is_drawn(path):
        from dar_uda.data.dicom.labels import read_drawn

        grid = read_grid(image)
        return Volume(read_drawn(path, image, grid, values), grid)
    if not path.is_dir():
        return read_volume(path)
    from dar_uda.data.png_labels import png_files, read_png_labels

    if not png_files(path):
        from dar_uda.data.dicom.objects import refuse_objects_of

        refuse_objects_of(path)
        raise ValueError(f"DAR-186: {path} holds no PNG file: a label is a NIfTI file, or a folder of one PNG a slice")
    if not image.is_dir():
        raise ValueError(
            f"DAR-187: {path} is a folder of PNG files, its scan {image} a file: expected a folder of DICOM files"
        )
    array = read_png_labels(path, image)
    return Volume(array, read_grid(image))


def read_label_grid(path: str | Path, image: str | Path) -> Grid:
    """Return the grid of a label as `read_label` does, as far as possible from headers alone.

    Of a SEG or RTSTRUCT no structure is drawn: those that a task does not name may lie anywhere.
    """
    return read_label(path, image, []).grid if Path(path).is_dir() or is_drawn(Path(path)) else read_grid(path)


def read_grid(path: str | Path) -> Grid:
    """Return the grid of a volume as `read_volume` does, without reading its values."""
    path, index = _located(path)
    if is_series(path):
        from dar_uda.data.dicom import read_series_grid

        return Grid(*read_series_grid(path), acquired=DICOM_SLICES)
    if path.suffix.lower() in ITK_SUFFIXES:
        from dar_uda.data.itk_formats import read_itk_grid

        return read_itk_grid(path)
    return nifti_grid(open_nifti(path), path, index)


def write_mask(path: str | Path, array: NDArray[np.uint8], grid: Grid, remark: str = "") -> None:
    """Write a label map on `grid` as NIfTI, with exactly the geometry the grid was read with.

    Args:
        remark: Goes into the file as a comment, a header extension; see `remark_of`.

    Raises:
        ValueError: The array is not uint8 or not of the grid's shape.
    """
    if array.dtype != np.uint8 or array.shape != tuple(grid.shape):
        raise ValueError(
            f"DAR-360: {path}: found a mask {array.dtype} of shape {array.shape}, expected uint8 of shape "
            f"{tuple(grid.shape)}"
        )
    header = nifti_header(grid)
    header.set_data_dtype(np.uint8)
    header.set_data_shape(array.shape)
    if remark:
        header.extensions.append(Nifti1Extension("comment", remark.encode("ascii")))
    with write_beside(path) as temporary:
        nib.save(nib.Nifti1Image(array, header.get_best_affine(), header), temporary)


def remark_of(path: str | Path) -> str:
    """Return the comment that `write_mask` put into a file (.nii.gz), whole or not; "" where there is none."""
    try:
        with reading(path), Path(path).open("rb") as file:
            head = zlib.decompressobj(GZIP).decompress(file.read(LONGEST_HEADER), LONGEST_HEADER)
            extensions = nib.Nifti1Header.from_fileobj(BytesIO(head)).extensions
    except UnreadableFileError:
        return ""
    texts = [one.get_content().strip(b"\0") for one in extensions if one.get_code() == COMMENT]
    return texts[0].decode("ascii", "replace") if texts else ""


def _located(path: str | Path) -> tuple[Path, int | None]:
    """Return the file, or the folder, of a volume and the number of the volume in it, see `split_index`."""
    file, index = split_index(path)
    found = _existing(file)
    if index is not None and is_series(found):
        raise UnreadableFileError(
            f"DAR-448: {path}: {file} is a DICOM series, expected a 4D NIfTI file before the number of a volume: name "
            "the series alone, or give a folder another name than that of a NIfTI file"
        )
    return found, index


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"DAR-122: {path} is a link to {path.readlink()}, which is not there; fetch it (`git annex get`, "
            "`datalad get`), or copy the file itself"
        )
    if not path.exists():
        raise FileNotFoundError(
            f"DAR-133: {path}: no such file or folder; expected a volume file or a folder of DICOM "
            f"files{advice_on_absent(path)}"
        )
    return path
