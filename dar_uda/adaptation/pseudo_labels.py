"""Masks of the target's unlabeled training cases, to learn from where they can be right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.components import keep_largest
from dar_uda.data.network_volume import open_affine, open_image, write_label
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress
from dar_uda.preprocessing.structures import depth_of_voxel, mean_volumes, single_structures
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.sliding_window import Weighting
from dar_uda.training.device import prepare_device

PLAUSIBLE = (0.2, 1.8)
"""A structure's volume, as a share of its mean in the source: beyond these a mask is not learned from (FLARE 2024)."""


def label_target(
    cases: Sequence[str],
    images: Sequence[str | Path],
    weights: str | Path,
    source_structures: str | Path,
    labels: str | Path,
    table: str | Path,
    structures: Sequence[str],
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch_size: int,
    guided_filter_radius: int,
    flips: bool,
    device: str,
    precision: str,
    threads: int,
) -> None:
    """Segment the target's training cases on the network grid, and note which masks have plausible volumes.

    Args:
        cases: Names, in the order of the images.
        images: Training volumes of the target.
        source_structures: The source's table of `measure_structures`: of structures that are one connected component
            there the largest is kept, and it tells how large structures are.
        labels: Folder of label maps to write, `{case}.nii`.
        table: TSV to write: `case kept` and for each structure its volume over the source's mean (1 where the
            source has none of it). A case is kept if all of them lie within PLAUSIBLE.
        window: See `Predictor`, as for the next five.
        precision: See `prediction_precision`.
    """
    where = prepare_device(device, threads)
    windows = window, overlap, weighting, batch_size
    predictor = Predictor.load(weights, where, precision, *windows, guided_filter_radius, flips)
    single, usual = single_structures(source_structures), np.array(mean_volumes(source_structures))
    progress, rows = Progress("label_target", len(cases), unit="case"), []
    for done, (case, image) in enumerate(zip(cases, images, strict=True), start=1):
        classes, affine = keep_largest(predictor.classes(open_image(image)), single), open_affine(image)
        write_label(Path(labels) / f"{case}.nii", classes, affine)
        volumes = volumes_of(classes, len(structures), affine)
        ratios = np.divide(volumes, usual, out=np.ones_like(usual), where=usual > 0)
        rows.append([case, is_plausible(ratios), *ratios])
        progress.report(done)
    with write_beside(table) as partial:
        frame = pd.DataFrame(rows, columns=["case", "kept", *structures])
        frame.to_csv(partial, sep="\t", index=False, float_format="%.3f")


def volumes_of(classes: NDArray[np.uint8], structures: int, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the volume of every structure, classes 1..K, see `depth_of_voxel`."""
    return np.bincount(classes.ravel(), minlength=structures + 1)[1 : structures + 1] * depth_of_voxel(affine)


def is_plausible(ratios: NDArray[np.float64]) -> bool:
    """Return whether all volumes, as ratios to the source's means, lie within PLAUSIBLE."""
    low, high = PLAUSIBLE
    return bool(((ratios >= low) & (ratios <= high)).all())
