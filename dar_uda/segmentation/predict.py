"""Sliding-window inference, brought back to each case's original grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from dar_uda.data.network_volume import open_image
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.training.device import prepare_device
from dar_uda.training.progress import Progress


@torch.no_grad()
def predict_probabilities(
    network: nn.Module,
    image: np.ndarray,
    window: Sequence[int],
    overlap: float,
    weighting: Literal["constant", "gaussian"],
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """Return (classes, D, H, W): softmax of the weighted mean of overlapping windows' scores.

    Args:
        image: (D, H, W) uint16 as stored; a volume smaller than the window is padded with background.
        window: (D, H, W) in voxels.
        overlap: Fraction of the window.
        batch: Windows per forward pass.
    """
    from monai.inferers.utils import sliding_window_inference

    volume = torch.from_numpy(image.astype(np.float32)).mul_(2 / 65535).sub_(1)[None, None]
    scores = sliding_window_inference(
        volume,
        tuple(window),
        batch,
        network,
        overlap=overlap,
        mode=weighting,
        cval=-1.0,
        sw_device=device,
        device="cpu",
    )
    return scores[0].softmax(dim=0).numpy()


def predict_cases(
    weights: str | Path,
    images: Sequence[str | Path],
    grids: Sequence[str | Path],
    predictions: Sequence[str | Path],
    window: Sequence[int],
    overlap: float,
    weighting: Literal["constant", "gaussian"],
    batch: int,
    device: str,
    threads: int,
) -> None:
    """Segment cases and write each mask on its case's original grid.

    Args:
        images: Volumes on the network grid.
        grids: The grids of each case, original and network (written by preprocessing).
        predictions: Outputs, NIfTI label maps of classes 1..K.
    """
    from dar_uda.data.volume import write_mask
    from dar_uda.preprocessing.restore import restore_classes

    where = prepare_device(device, threads)
    network = DARUNet.load(weights, where)
    progress = Progress("predict", len(images), unit="case")
    for done, (image, grid, prediction) in enumerate(zip(images, grids, predictions, strict=True), start=1):
        probabilities = predict_probabilities(network, open_image(image), window, overlap, weighting, batch, where)
        restored = restore_classes(probabilities, grid)
        write_mask(prediction, restored.array, restored.grid)
        progress.report(done)
