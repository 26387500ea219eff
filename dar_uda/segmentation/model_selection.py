"""Which of a training's candidates is kept: by held-out labels, less what the masks of unlabeled scans change."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import open_image, open_label
from dar_uda.evaluation.metrics import dice
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.sliding_window import Weighting
from dar_uda.segmentation.tta import TtaInconsistency
from dar_uda.training.device import prepare_device


def select_model(
    candidates: str | Path,
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    unlabeled: Sequence[str | Path],
    weights: str | Path,
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
    """Copy the weights of the candidate with the highest score; of equal ones those trained longest.

    The score is the mean Dice over the labeled volumes and their structures, on the network grid, less the mean
    TTA inconsistency over the unlabeled volumes and their structures, see `TtaInconsistency`; empty masks count as 1.

    Args:
        candidates: Folder of `step-{updates}.safetensors`.
        images: Labeled volumes that were not trained on.
        labels: The label volume of each.
        unlabeled: Volumes of the target; may be empty.
        weights: Output, safetensors.
        table: Output TSV: `step dice tta_inconsistency score selected`.
        structures: Names of the classes 1..K.
        window: See `Predictor`, as for the next five.
        precision: See `prediction_precision`.
    """
    where = prepare_device(device, threads)
    windows = window, overlap, weighting, batch_size
    paths = sorted(Path(candidates).glob("*.safetensors"))
    progress, rows = Progress("select_model", len(paths), unit="candidate"), []
    for done, path in enumerate(paths, start=1):
        predictor = Predictor.load(path, where, precision, *windows, guided_filter_radius, flips)
        masks = map(predictor.classes, map(open_image, images))
        of_labeled = [_dice(mask, open_label(k), len(structures)) for mask, k in zip(masks, labels, strict=True)]
        changes = [_tta_inconsistency(predictor.tta_probabilities(open_image(i)), len(structures)) for i in unlabeled]
        rows.append((int(path.stem.removeprefix("step-")), np.nanmean(of_labeled), np.mean(changes) if changes else 0))
        progress.report(done)
    frame = pd.DataFrame(rows, columns=["step", "dice", "tta_inconsistency"]).assign(
        score=lambda t: t.dice - t.tta_inconsistency
    )
    best = frame.score[::-1].idxmax()
    with write_beside(table) as partial:
        frame.assign(selected=frame.index == best).to_csv(partial, sep="\t", index=False, float_format="%.6f")
    with write_beside(weights) as partial:
        shutil.copyfile(paths[best], partial)


def _dice(mask: NDArray[np.uint8], label: NDArray[np.uint8], structures: int) -> list[float]:
    return [dice(mask == k, label == k) for k in range(1, structures + 1)]


def _tta_inconsistency(transformed: Iterator[list[Tensor]], structures: int) -> float:
    changes = TtaInconsistency(structures)
    for slabs in transformed:
        changes.add(slabs)
    values = changes.values()
    return float(np.where(np.isnan(values), 1.0, values).mean())
