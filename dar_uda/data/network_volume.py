"""Volumes on the network grid: uncompressed NIfTI that any viewer opens and training memory-maps.

Arrays are (depth, height, width); the file's axes are x = width, y = height, z = depth; affines are its.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import Grid, nifti_header
from dar_uda.data.reading import OF_RESULTS, reading
from dar_uda.jobs.files import write_beside

LEVELS = 65535
"""A stored image value is this many times the intensity in [0, 1]."""
ROUNDING = 1e-4
"""How far beyond [0, 1] an intensity may lie, from floating point, before it is refused."""


def write_image(path: str | Path, array: NDArray[np.floating], affine: NDArray[np.float64]) -> None:
    """Write intensities in [0, 1], shape (D, H, W), as uint16 with the slope 1 / 65535.

    Raises:
        ValueError: A value lies outside [0, 1] or is not finite.
    """
    low, high = float(array.min()), float(array.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ValueError(f"DAR-360: {path}: found intensities in [{low}, {high}], expected [0, 1]")
    _write(path, as_stored(array), affine, slope=1 / LEVELS)


def as_stored(array: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Return intensities in [0, 1], shape (D, H, W), in the levels of a file."""
    stored = np.empty(array.shape, np.uint16)
    for slice_, stored_slice in zip(array, stored, strict=True):  # one by one: no temporary as large as the volume
        stored_slice[...] = np.rint(np.clip(slice_, 0, 1) * np.float32(LEVELS))
    return stored


def write_label(path: str | Path, array: NDArray[np.uint8], affine: NDArray[np.float64]) -> None:
    """Write a label map of shape (D, H, W) as uint8."""
    if array.dtype != np.uint8:
        raise ValueError(f"DAR-360: {path}: found {array.dtype}, expected uint8")
    _write(path, array, affine, slope=1.0)


def open_image(path: str | Path) -> np.memmap:
    """Return the stored values, read-only and memory-mapped: uint16, (D, H, W); 65535 is intensity 1."""
    return _open(path, np.dtype(np.uint16))


def open_label(path: str | Path) -> np.memmap:
    """Return a label map, read-only and memory-mapped: uint8, (D, H, W)."""
    return _open(path, np.dtype(np.uint8))


def open_affine(path: str | Path) -> NDArray[np.float64]:
    """Return the affine (4, 4) of a file: (width, height, depth) index to mm in RAS."""
    with reading(path, OF_RESULTS):
        return np.array(nib.load(path).affine, dtype=np.float64)


def _write(path: str | Path, array: NDArray, affine: NDArray[np.float64], slope: float) -> None:
    """Write (D, H, W) values as they are, with a slope for the reader."""
    if array.ndim != 3 or Path(path).suffix != ".nii":
        raise ValueError(f"DAR-360: {path}: found {array.ndim} axes, expected 3 (D, H, W) and a name ending in .nii")
    header = nifti_header(Grid(array.shape[::-1], np.asarray(affine, dtype=np.float64)))
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape[::-1])
    image = nib.Nifti1Image(array.T, header.get_best_affine(), header)
    image.header.set_slope_inter(slope, 0)  # nibabel drops the slope of a header given to the constructor
    with write_beside(path) as temporary:
        nib.save(image, temporary)


def _open(path: str | Path, dtype: np.dtype) -> np.memmap:
    """Return the stored values of a file, without its slope, as (D, H, W)."""
    with reading(path, OF_RESULTS):
        array = nib.load(path, mmap="r").dataobj.get_unscaled()
    if not isinstance(array, np.memmap) or array.dtype != dtype or array.ndim != 3:
        raise ValueError(
            f"DAR-280: {path}: found {array.dtype} of shape {array.shape}, expected uncompressed 3D {dtype}: "
            "it is no file of this project's preprocessing; make it again"
        )
    return array.T
