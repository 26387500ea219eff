"""Masks of whole cases, on each case's original grid, and how much they change with the image."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.files import write_beside
from dar_uda.data.network_volume import open_image
from dar_uda.data.predictions import mask_path
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.disagreement import disagreement
from dar_uda.segmentation.sliding_window import Weighting, predict_slabs
from dar_uda.training.device import prepare_device
from dar_uda.training.progress import Progress


def predict_cases(
    cases: Sequence[str],
    weights: str | Path,
    images: Sequence[str | Path],
    grids: Sequence[str | Path],
    predictions: str | Path,
    disagreements: str | Path,
    structures: Sequence[str],
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch: int,
    device: str,
    threads: int,
) -> None:
    """Segment cases and write each mask on its case's original grid, and the disagreement of every case.

    Args:
        cases: Names, in the order of the files.
        images: Volumes on the network grid.
        grids: The grids of each case, original and network (written by preprocessing).
        predictions: Output folder of NIfTI label maps of classes 1..K.
        disagreements: Output TSV, `case structure disagreement`, see `disagreement`; empty where no mask holds the
            structure.
        structures: Names of the classes.
    """
    from dar_uda.data.volume import write_mask
    from dar_uda.preprocessing.restore import restore_classes

    where = prepare_device(device, threads)
    network = DARUNet.load(weights, where)
    slabs_of = partial(
        predict_slabs, network, window=window, overlap=overlap, weighting=weighting, batch=batch, device=where
    )
    progress = Progress("predict", len(images), unit="case")
    rows = []
    for done, (case, path, grid) in enumerate(zip(cases, images, grids, strict=True), start=1):
        image, classes = open_image(path), []
        restored = restore_classes(_noting_classes(slabs_of(image), classes), grid)
        write_mask(mask_path(predictions, case), restored.array, restored.grid)
        mask = np.concatenate(classes)
        changes = disagreement(image, mask, lambda changed: _classes_of(slabs_of(changed)), len(structures))
        rows += [(case, structure, value) for structure, value in zip(structures, changes, strict=True)]
        progress.report(done)
    with write_beside(disagreements) as temporary:
        table = pd.DataFrame(rows, columns=["case", "structure", "disagreement"])
        table.to_csv(temporary, sep="\t", index=False, float_format="%.6f")


def _noting_classes(
    slabs: Iterable[NDArray[np.float32]], classes: list[NDArray[np.uint8]]
) -> Iterator[NDArray[np.float32]]:
    """Pass the slabs on, and append the classes of each, (slices, H, W), to `classes`."""
    for slab in slabs:
        classes.append(slab.argmax(axis=0).astype(np.uint8))
        yield slab


def _classes_of(slabs: Iterable[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Return the likeliest class of every voxel, (D, H, W)."""
    return np.concatenate([slab.argmax(axis=0).astype(np.uint8) for slab in slabs])
