"""A mask of five views as it was made before inference stayed on the GPU: there the network alone, in float32."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dar_uda.data.volume import Volume
from dar_uda.preprocessing.restore import restore_classes
from dar_uda.segmentation.sliding_window import Weighting, predict_slabs
from dar_uda.segmentation.views import predict_views

CPU = torch.device("cpu")


def literal_prediction(
    network: nn.Module,
    image: NDArray[np.uint16],
    grid: str | Path,
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch: int,
    device: torch.device,
) -> Volume:
    """Return the mask on the scan's own grid: sums, softmax, mean of the views and restoration on the CPU."""

    def scores(patches: Tensor) -> Tensor:
        return network(patches.to(device)).float().cpu()

    def slabs_of(view: NDArray[np.uint16]) -> Iterator[Tensor]:
        return predict_slabs(scores, view, window, overlap, weighting, batch, CPU)

    means = (np.mean([slab.numpy() for slab in slabs], axis=0) for slabs in predict_views(image, slabs_of))
    return restore_classes(means, grid)
