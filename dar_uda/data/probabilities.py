"""Probabilities of a scan as one NIfTI file: a volume per class, in steps of 1/255."""

import gzip
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import NDArray

from dar_uda.data.grid import Grid, nifti_header
from dar_uda.jobs.files import write_beside

LEVELS = 255
"""Of a stored probability, from 0 to 1."""


@contextmanager
def probabilities_file(path: str | Path, grid: Grid, classes: int) -> Iterator[NDArray[np.uint8]]:
    """Yield an array on the disk that is written to `path` (.nii.gz) when the block ends without an error.

    Memory holds what is being filled, not the whole.

    Args:
        grid: Of the scan.
        classes: Background included.

    Returns:
        (*grid.shape, classes), in steps of 1/255: the file's scaling says so.
    """
    header = nifti_header(grid)
    header.set_data_dtype(np.uint8)
    header.set_data_shape((*grid.shape, classes))
    header.set_slope_inter(1 / LEVELS, 0)
    header["vox_offset"] = header.single_vox_offset
    with write_beside(path) as temporary, NamedTemporaryFile(dir=temporary.parent, prefix=".partial-") as raw:
        raw.write(header.binaryblock.ljust(header.single_vox_offset, b"\0"))
        raw.flush()
        shape = header.get_data_shape()
        # A full disk is an error here, not a signal later.
        os.posix_fallocate(raw.fileno(), 0, header.single_vox_offset + math.prod(shape))
        stored = np.memmap(raw, np.uint8, "r+", header.single_vox_offset, shape, order="F")
        yield stored
        stored.flush()
        raw.seek(0)
        # Without the name of the temporary file and the time: the same probabilities are the same bytes.
        with temporary.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            shutil.copyfileobj(raw, packed)


def open_probabilities(path: str | Path) -> tuple[ArrayProxy, Grid]:
    """Return the stored steps of a file of `probabilities_file`, unread, and their grid.

    `steps[..., k]` reads class k alone, uint8; classes in ascending order read the file once.
    """
    image = nib.load(path)
    steps = ArrayProxy(path, (image.shape, np.uint8, image.dataobj.offset), keep_file_open=True)
    return steps, Grid(image.shape[:-1], image.affine)
