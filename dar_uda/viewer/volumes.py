"""What the page shows, as NIfTI in memory: voxels and their place in space, nothing else of the file they come from."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import nibabel as nib
import numpy as np

from dar_uda.data.geometry import slice_axis_of
from dar_uda.data.grid import Grid, nifti_header
from dar_uda.data.label_numbers import numbers_of
from dar_uda.data.labels import map_labels
from dar_uda.data.probabilities import open_probabilities
from dar_uda.data.reading import OF_RESULTS, reading
from dar_uda.data.volume import Volume, read_label, read_volume


def nifti_bytes(volume: Volume) -> bytes:
    """Return a volume as an uncompressed NIfTI file; 64-bit values become float32, which a browser can draw."""
    array = volume.array if volume.array.dtype.itemsize < 8 else volume.array.astype(np.float32)
    header = nifti_header(Grid(volume.grid.shape, volume.grid.affine))
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    return nib.Nifti1Image(array, header.get_best_affine(), header).to_bytes()


def read_mask(path: str | Path, classes: int) -> Volume:
    """Return a label map of classes 1..K with its outlines, see `outlined`."""
    return outlined(read_volume(path), classes)


def read_reference(path: str | Path, image: str | Path, values: Sequence[Sequence[int | str]]) -> Volume:
    """Return a label file of the user as classes 1..K with their outlines.

    Args:
        image: The scan of the label.
        values: For each class the values in the label file that make it up, or names, see `numbers_of`.
    """
    numbers = numbers_of(path, values)
    label = read_label(path, image, numbers)
    try:
        classes = map_labels(label.array, numbers)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return outlined(Volume(classes, label.grid), len(values))


def read_probability(path: str | Path, label: int | None = None) -> Volume:
    """Return the probability of one structure, in steps of 1/255, from a file of `probabilities_file`.

    Memory holds two structures, not all.

    Args:
        label: Class of the structure, 1..K; None: in every voxel that of the likeliest, background left out.
    """
    with reading(path, OF_RESULTS):
        stored, grid = open_probabilities(path)
        labels = range(1, stored.shape[-1]) if label is None else [label]
        highest = reduce(np.maximum, (stored[..., index] for index in labels))
    return Volume(highest, grid)


def outlined(labels: Volume, classes: int) -> Volume:
    """Return a label map in which k is the inside of class k, and k + `classes` its outline.

    A voxel is outline where a neighbor of its slice, one step along either axis, is of another class; the slices are
    those of the scan.
    """
    array = labels.array.astype(np.min_scalar_type(2 * classes))
    border = np.zeros_like(array, bool)
    for axis in {0, 1, 2} - {slice_axis_of(labels.grid)[0]}:
        before, after = _neighbors(axis)
        differs = labels.array[before] != labels.array[after]
        border[before] |= differs
        border[after] |= differs
    np.add(array, classes, out=array, where=border & (array > 0))
    return Volume(array, labels.grid)


def _neighbors(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the indices of all voxels but the last, and of all but the first, along an axis."""
    whole = [slice(None)] * 3
    return (
        tuple(slice(None, -1) if index == axis else part for index, part in enumerate(whole)),
        tuple(slice(1, None) if index == axis else part for index, part in enumerate(whole)),
    )
