"""From the network grid back to the scan's own."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import Grid, read_grids
from dar_uda.data.probabilities import LEVELS
from dar_uda.data.volume import Volume

if TYPE_CHECKING:
    from torch import Tensor


def restore_classes(
    slabs: "Iterable[NDArray[np.float32] | Tensor]", grid: str | Path, probabilities: NDArray[np.uint8] | None = None
) -> Volume:
    """Return the likeliest class of every voxel of the scan, background beyond the network grid.

    Probabilities are interpolated, not classes: borders keep the place between voxels that the network gave them.
    One slab, and of it one class on the scan's grid, is in memory at a time. Slabs on a GPU are interpolated there.

    Args:
        slabs: Probabilities (classes, slices, height, width) on the network grid, background first; slab after
            slab along the depth, together the whole volume.
        grid: JSON that `preprocess_image` wrote.
        probabilities: To fill, of the scan's shape and one more axis, the classes: those of every voxel, in steps of
            1/255. Where another class rounds to the same step, the likeliest gets one more: it is always the argmax.

    Raises:
        ValueError: The probabilities are not on the network grid.
    """
    original, network = read_grids(grid)
    depth = network.shape[2]
    axis, places = _depth_of_slices(original, network)
    classes = np.zeros(original.shape, np.uint8)
    done, before = 0, None
    for slab in slabs:
        slab, concatenate, copy, classes_on = _with_operations(slab)
        end = done + slab.shape[1]
        _check(slab, end, network, grid)
        joined = slab if before is None else concatenate([before, slab], 1)
        above, upto = done - 1 if done else -np.inf, end - 1 if end < depth else np.inf
        here = (places > above) & (places <= upto)
        region, part = _part(original, axis, np.flatnonzero(here))
        if 0 not in part.shape:
            affine = network.part(2, end - joined.shape[1], joined.shape[1]).affine
            stored = None if probabilities is None else probabilities[region]
            classes[region] = classes_on(part, joined, affine, stored)
            if stored is not None:
                _settle_ties(stored, classes[region])
        done, before = end, copy(slab[:, -1:])
    _check(slab, done, network, grid, whole=True)
    return Volume(classes, original)


def _with_operations(slab: "NDArray[np.float32] | Tensor") -> tuple[Any, Callable, Callable, Callable]:
    """Return a slab, as an array unless it is on a GPU, with the ways to concatenate, copy and restore slabs there."""
    if not _on_gpu(slab):
        return np.asarray(slab), np.concatenate, np.copy, _classes_on
    import torch

    from dar_uda.preprocessing.restore_on_gpu import classes_on

    return slab, torch.cat, torch.clone, classes_on


def _on_gpu(slab: "NDArray[np.float32] | Tensor") -> bool:
    return getattr(slab, "is_cuda", False)


def _depth_of_slices(original: Grid, network: Grid) -> tuple[int, NDArray[np.float64]]:
    """Return the scan's axis that runs along the network's depth, and each of its slices' place there, in slices."""
    step = np.linalg.solve(network.affine, original.affine)
    axis = int(np.abs(step[2, :3]).argmax())
    return axis, np.arange(original.shape[axis]) * step[2, axis] + step[2, 3]


def _part(original: Grid, axis: int, slices: NDArray[np.intp]) -> tuple[tuple[slice, ...], Grid]:
    """Return the index of some neighboring slices of the scan, and their grid."""
    first, count = (int(slices[0]), len(slices)) if len(slices) else (0, 0)
    region = tuple(slice(first, first + count) if a == axis else slice(None) for a in range(3))
    return region, original.part(axis, first, count)


def _classes_on(
    part: Grid, probabilities: NDArray[np.float32], affine: NDArray[np.float64], stored: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Return the likeliest class on a grid, and note the probabilities there; `affine` is that of the network's."""
    from dar_uda.preprocessing.resample import resample

    classes = np.zeros(part.shape, np.uint8)
    highest = np.full(part.shape, -1, np.float32)
    for index, probability in enumerate(probabilities):
        beyond = 1 if index == 0 else 0
        moved = resample(probability.T, affine, part.affine, part.shape, "linear", fill=beyond)
        classes[moved > highest] = index
        np.maximum(highest, moved, out=highest)
        if stored is not None:
            stored[..., index] = np.rint(moved * LEVELS)
    return classes


def _settle_ties(stored: NDArray[np.uint8], classes: NDArray[np.uint8]) -> None:
    """Give the likeliest class one step more where another one rounds to as many: two such have at most half each."""
    tied = np.nonzero(stored.argmax(axis=-1) != classes)
    stored[(*tied, classes[tied])] += 1


def _check(slab: NDArray, end: int, network: Grid, grid: str | Path, whole: bool = False) -> None:
    found, expected = (end, *slab.shape[2:]), network.shape[::-1]
    if found[1:] != expected[1:] or end > expected[0] or (whole and end < expected[0]):
        raise ValueError(
            f"DAR-160: {grid}: found probabilities of shape {found}, expected {expected}; "
            "the image and this file are of two preprocessings: run preprocess_case again (-R preprocess_case)"
        )
