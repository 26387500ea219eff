"""MetaImage and NRRD files, as SimpleITK reads them."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dar_uda.data.grid import LPS_TO_RAS, Grid
from dar_uda.data.reading import UnreadableFileError, reading

READERS = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}
"""SimpleITK's reader by the file's ending."""


def read_itk_grid(path: Path) -> Grid:
    """Return the grid from the header alone.

    Raises:
        UnreadableFileError: The file is broken, or holds no 3D volume of one number a voxel.
    """
    reader = _reader(path)
    with reading(path):
        reader.ReadImageInformation()
    return _grid(reader, path)


def read_itk(path: Path) -> tuple[NDArray, Grid]:
    """Return values and grid, see `read_itk_grid`; the array's axes are the file's."""
    grid = read_itk_grid(path)
    with reading(path):
        array = sitk.GetArrayFromImage(_reader(path).Execute()).T.reshape(grid.shape)
    return (array.astype(np.float32) if array.dtype.kind == "f" else array), grid


def _reader(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[path.suffix.lower()])
    reader.SetFileName(str(path))
    return reader


def _grid(reader: sitk.ImageFileReader, path: Path) -> Grid:
    size, dimension = list(reader.GetSize()), reader.GetDimension()
    if dimension < 3 or any(extent != 1 for extent in size[3:]):
        raise UnreadableFileError(f"{path} has shape {tuple(size)}, expected 3 axes: save one volume of it alone")
    if reader.GetNumberOfComponents() != 1:
        raise UnreadableFileError(
            f"{path} holds {reader.GetNumberOfComponents()} numbers a voxel, expected one: convert it"
        )
    directions = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(reader.GetSpacing()[:3])
    affine[:3, 3] = reader.GetOrigin()[:3]
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise UnreadableFileError(f"{path} has the affine {affine.tolist()}, which has no inverse: correct its header")
    return Grid(tuple(size[:3]), LPS_TO_RAS @ affine)
