"""Inference with the scores of the whole volume in memory."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import nn


@torch.no_grad()
def literal_probabilities(
    network: nn.Module, image: NDArray[np.uint16], window: Sequence[int], overlap: float
) -> NDArray[np.float32]:
    """Return (classes, D, H, W), as MONAI's sliding window and a softmax give it."""
    volume = torch.from_numpy(image.astype(np.float32)).mul_(2 / 65535).sub_(1)[None, None]
    scores = sliding_window_inference(volume, tuple(window), 1, network, overlap=overlap, mode="constant", cval=-1.0)
    return scores[0].softmax(dim=0).numpy()
