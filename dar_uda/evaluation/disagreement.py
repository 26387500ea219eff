"""A label-free warning sign: how much a segmenter's masks change when the image changes a little."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from dar_uda.data.files import write_beside
from dar_uda.data.network_volume import STEPS, open_image
from dar_uda.evaluation.metrics import dice
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.sliding_window import Weighting, predict_slabs
from dar_uda.training.device import prepare_device
from dar_uda.training.progress import Progress

Volume = NDArray[np.generic]
FLIPPED = 1


def _scaled(factor: float, shift: float) -> Callable[[Volume], Volume]:
    return lambda image: np.clip(image * np.float32(factor) + np.float32(shift * STEPS), 0, STEPS).astype(np.uint16)


def _flipped(volume: Volume) -> Volume:
    return volume[:, ::-1]


def _same(volume: Volume) -> Volume:
    return volume


# The changes of the paper's test-time augmentation: (image changed, mask brought back).
CHANGES: tuple[tuple[Callable[[Volume], Volume], Callable[[Volume], Volume]], ...] = (
    (_flipped, _flipped),
    (_scaled(1.1, 0.0), _same),
    (_scaled(0.9, 0.0), _same),
    (_scaled(1.0, 0.1), _same),
)


def measure_disagreement(
    cases: Sequence[str],
    weights: str | Path,
    images: Sequence[str | Path],
    table: str | Path,
    structures: Sequence[str],
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch: int,
    device: str,
    threads: int,
) -> None:
    """Write how far the masks of changed images lie from the mask of the image as it is, for every case and structure.

    The changes are an antero-posterior flip, intensities times 1.1, times 0.9 and plus 0.1 (paper, test-time
    augmentation); disagreement is the mean over them of 1 - Dice, in network voxels: 0 for masks that nothing moves.

    Args:
        cases: Names, in the order of the files.
        images: Volumes on the network grid.
        table: Output TSV, `case structure disagreement`; empty where no mask holds the structure.
        structures: Names of the classes.
    """
    where = prepare_device(device, threads)
    network = DARUNet.load(weights, where)
    progress = Progress("measure_disagreement", len(images), unit="case")
    rows = []
    for done, (case, path) in enumerate(zip(cases, images, strict=True), start=1):
        found = disagreement_of(network, open_image(path), len(structures), window, overlap, weighting, batch, where)
        rows += [(case, name, value) for name, value in zip(structures, found, strict=True)]
        progress.report(done)
    with write_beside(table) as partial:
        frame = pd.DataFrame(rows, columns=["case", "structure", "disagreement"])
        frame.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def disagreement_of(
    network: nn.Module,
    image: NDArray[np.uint16],
    structures: int,
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch: int,
    device: torch.device,
) -> NDArray[np.float64]:
    """Return the disagreement of each structure (structures,), NaN where no mask holds it.

    Args:
        image: (D, H, W) as stored.
    """

    def mask(volume: NDArray) -> NDArray[np.uint8]:
        slabs = predict_slabs(network, np.ascontiguousarray(volume), window, overlap, weighting, batch, device)
        return np.concatenate([slab.argmax(axis=0).astype(np.uint8) for slab in slabs])

    plain = mask(image)
    changed = [back(mask(change(image))) for change, back in CHANGES]
    distances = [[1 - dice(plain == label, other == label) for label in range(1, structures + 1)] for other in changed]
    return pd.DataFrame(distances).mean(axis=0).to_numpy(dtype=float)
