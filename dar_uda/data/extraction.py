"""One volume of a 4D file as a file of its own, for the jobs that read it."""

from pathlib import Path

import nibabel as nib

from dar_uda.data.grid import nifti_header
from dar_uda.data.volume import read_volume
from dar_uda.jobs.files import write_beside


def extract_volume(origin: str | Path, index: int, volume: str | Path) -> None:
    """Write one volume of a 4D NIfTI file, its values and its place as `read_volume` reads them.

    Args:
        origin: The file.
        index: Of the volume, from 0.
        volume: NIfTI to write, of the type of the values.

    Raises:
        ValueError: The file cannot be read, or has no such volume.
    """
    found = read_volume(f"{origin}/{index}")
    header = nifti_header(found.grid)
    header.set_data_dtype(found.array.dtype)
    header.set_data_shape(found.array.shape)
    with write_beside(volume) as partial:
        nib.save(nib.Nifti1Image(found.array, header.get_best_affine(), header), partial)
