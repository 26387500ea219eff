"""A 3D volume in (NIfTI file or DICOM folder) and a mask out, on the volume's own grid."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dar_uda.data.files import write_beside
from dar_uda.data.grid import Grid, geometry_fields, nifti_header


@dataclass(frozen=True, eq=False)
class Volume:
    """Values and the grid they lie on; `array` has the grid's shape, in the file's axis order."""

    array: NDArray
    grid: Grid


def read_volume(path: str | Path) -> Volume:
    """Return a NIfTI file or a folder of DICOM files (one series) as a volume.

    Values are as stored where the file has no scaling (integers stay integers), float32 otherwise.

    Raises:
        ValueError: The file is no 3D NIfTI volume in mm, or the folder no DICOM series.
    """
    path = Path(path)
    if path.is_dir():
        from dar_uda.data.dicom import read_series

        array, affine = read_series(path)
        return Volume(array, Grid(array.shape, affine))
    image = _load_nifti(path)
    grid = _nifti_grid(image, path)
    array = np.asanyarray(image.dataobj)
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    return Volume(array.reshape(grid.shape, order="F"), grid)


def read_label(path: str | Path, image: str | Path) -> Volume:
    """Return a label file, or a folder with a PNG file for every slice of a DICOM series, as a volume.

    Args:
        image: The scan of the label: what a folder of PNG files takes its order and its grid from.

    Raises:
        ValueError: The file is no 3D NIfTI volume in mm, or the PNG files are not those of the series.
    """
    path, image = Path(path), Path(image)
    if not path.is_dir():
        return read_volume(path)
    from dar_uda.data.png_labels import png_files, read_png_labels

    if not png_files(path):
        raise ValueError(f"{path} holds no PNG file: a label is a NIfTI file, or a folder of one PNG a slice")
    if not image.is_dir():
        raise ValueError(f"{path} is a folder of PNG files, its scan {image} a file: expected a folder of DICOM files")
    array = read_png_labels(path, image)
    return Volume(array, read_grid(image))


def read_grid(path: str | Path) -> Grid:
    """Return the grid of a volume as `read_volume` does, without reading its values."""
    path = Path(path)
    if path.is_dir():
        from dar_uda.data.dicom import read_series_grid

        return Grid(*read_series_grid(path))
    return _nifti_grid(_load_nifti(path), path)


def write_mask(path: str | Path, array: NDArray[np.uint8], grid: Grid) -> None:
    """Write a label map on `grid` as NIfTI, with exactly the geometry the grid was read with.

    Raises:
        ValueError: The array is not uint8 or not of the grid's shape.
    """
    if array.dtype != np.uint8 or array.shape != tuple(grid.shape):
        raise ValueError(
            f"{path}: found a mask {array.dtype} of shape {array.shape}, expected uint8 of shape {tuple(grid.shape)}"
        )
    header = nifti_header(grid)
    header.set_data_dtype(np.uint8)
    header.set_data_shape(array.shape)
    with write_beside(path) as temporary:
        nib.save(nib.Nifti1Image(array, header.get_best_affine(), header), temporary)


def _load_nifti(path: Path) -> nib.Nifti1Pair:
    """Return the opened NIfTI file, its values unread."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a NIfTI file or a folder of DICOM files")
    try:
        image = nib.load(path)
    except nib.filebasedimages.ImageFileError as error:
        raise ValueError(f"{path} is no NIfTI file; expected .nii, .nii.gz or a folder of DICOM files") from error
    if not isinstance(image, nib.Nifti1Pair):
        raise ValueError(f"{path} is {type(image).__name__}, expected NIfTI: convert it to .nii.gz")
    return image


def _nifti_grid(image: nib.Nifti1Pair, path: Path) -> Grid:
    """Return the grid of a NIfTI file; single trailing axes are dropped."""
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or 0 in shape:
        raise ValueError(f"{path} has shape {image.shape}, expected 3 axes: save one volume of it as its own file")
    if image.get_data_dtype().kind not in "iuf":
        raise ValueError(f"{path} holds {image.get_data_dtype()}, expected one real number a voxel: convert it")
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise ValueError(f"{path} is in {unit}, expected mm: correct the affine and xyzt_units of its header")
    affine = np.array(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise ValueError(f"{path} has the affine {affine.tolist()}, which has no inverse: correct its header")
    return Grid(tuple(int(size) for size in shape), affine, geometry_fields(image.header))
