"""Masks of whole cases, on each case's original grid, and how much they change with the image."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.components import keep_largest
from dar_uda.data.grid import read_grids
from dar_uda.data.network_volume import open_image
from dar_uda.data.predictions import mask_path, probabilities_path
from dar_uda.data.probabilities import probabilities_file
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress
from dar_uda.preprocessing.structures import single_structures
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.sliding_window import Weighting
from dar_uda.segmentation.tta import TtaInconsistency, mean_of
from dar_uda.training.device import prepare_device

if TYPE_CHECKING:
    from dar_uda.data.volume import Volume


def predict_cases(
    cases: Sequence[str],
    weights: str | Path,
    images: Sequence[str | Path],
    grids: Sequence[str | Path],
    source_structures: str | Path | None,
    predictions: str | Path,
    tta_inconsistency: str | Path,
    structures: Sequence[str],
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch_size: int,
    guided_filter_radius: int,
    flips: bool,
    test_time_augmentation: bool,
    keep_largest_component: bool,
    save_probabilities: bool,
    device: str,
    precision: str,
    threads: int,
) -> None:
    """Segment cases and write each mask on its case's original grid, and the TTA inconsistency of every case.

    Args:
        cases: Names, in the order of the files.
        images: Volumes on the network grid.
        grids: The grids of each case, original and network (written by preprocessing).
        source_structures: The source's table of `measure_structures`, which tells what is one connected component; read
            only for `keep_largest_component`.
        predictions: Output folder of NIfTI label maps of classes 1..K.
        tta_inconsistency: Output TSV, `case structure tta_inconsistency`, see `TtaInconsistency`; empty where no
            mask has the structure.
        structures: Names of the classes.
        guided_filter_radius, flips: See `Predictor`.
        test_time_augmentation: Masks are those of the mean probabilities of all TTA transforms of an image, not of
            the image as it is.
        keep_largest_component: Keep the largest connected component of each structure that is one in the source.
        save_probabilities: Write those of all classes too: `probabilities/{case}.nii.gz` in the folder of the masks,
            see `probabilities_file`.
        precision: See `prediction_precision`.
    """
    from dar_uda.data.volume import write_mask

    where = prepare_device(device, threads)
    windows = window, overlap, weighting, batch_size
    predictor = Predictor.load(weights, where, precision, *windows, guided_filter_radius, flips)
    single = single_structures(source_structures) if keep_largest_component and source_structures else []
    progress = Progress("predict", len(images), unit="case")
    rows = []
    for done, (case, path, grid) in enumerate(zip(cases, images, grids, strict=True), start=1):
        kept = probabilities_path(predictions, case) if save_probabilities else None
        with stored_probabilities(kept, grid, len(structures) + 1) as stored:
            segment = partial(_segment, path, grid, len(structures), test_time_augmentation, single, stored)
            mask, changes = predictor.within_memory(segment, case)
        write_mask(mask_path(predictions, case), mask.array, mask.grid)
        rows += [(case, structure, value) for structure, value in zip(structures, changes.values(), strict=True)]
        progress.report(done)
    write_tta_inconsistency(rows, tta_inconsistency)


def write_tta_inconsistency(rows: Sequence[tuple[str, str, float]], path: str | Path) -> None:
    """Write `case structure tta_inconsistency`, see `TtaInconsistency`."""
    with write_beside(path) as temporary:
        table = pd.DataFrame(rows, columns=["case", "structure", "tta_inconsistency"])
        table.to_csv(temporary, sep="\t", index=False, float_format="%.6f")


def _segment(
    image: str | Path,
    grid: str | Path,
    structures: int,
    average: bool,
    single: Sequence[int],
    stored: NDArray[np.uint8] | None,
    predictor: Predictor,
) -> "tuple[Volume, TtaInconsistency]":
    """Return the mask of a case and how much it changes with the TTA transforms; see `mask_of`."""
    changes = TtaInconsistency(structures)
    slabs = counted(predictor.tta_probabilities(open_image(image)), changes, average)
    return mask_of(slabs, grid, single, stored), changes


def stored_probabilities(
    path: Path | None, grid: str | Path, classes: int
) -> AbstractContextManager[NDArray[np.uint8] | None]:
    """Return the file of a case's probabilities, to be filled within a block; nothing to fill without a path."""
    return probabilities_file(path, read_grids(grid)[0], classes) if path else nullcontext()


def mask_of(
    slabs: Iterable[Tensor],
    grid: str | Path,
    single: Sequence[int],
    probabilities: NDArray[np.uint8] | None = None,
) -> "Volume":
    """Return the mask of a case on its original grid.

    Args:
        slabs: Probabilities on the network grid, see `restore_classes`.
        grid: JSON that `preprocess_image` wrote.
        single: Classes of which the largest connected component is kept.
        probabilities: See `restore_classes`; as they were before such components were chosen.
    """
    from dar_uda.data.volume import Volume
    from dar_uda.preprocessing.restore import restore_classes

    restored = restore_classes(slabs, grid, probabilities)
    return Volume(keep_largest(restored.array, single), restored.grid)


def counted(transformed: Iterator[list[Tensor]], changes: TtaInconsistency, average: bool = True) -> Iterator[Tensor]:
    """Yield the probabilities that masks are made of, slab after slab, and note in `changes` how they differ."""
    for slabs in transformed:
        changes.add(slabs)
        yield mean_of(slabs) if average else slabs[0]
