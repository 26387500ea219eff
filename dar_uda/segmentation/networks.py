"""The segmentation networks by name, and their files."""

from collections.abc import Sequence
from pathlib import Path

import torch

from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.sifa_net import SIFANet
from dar_uda.segmentation.unet_2d import UNet2D
from dar_uda.training.weights import load_weights

Segmenter = DARUNet | UNet2D | SIFANet
ARCHITECTURES = {"dar_unet": DARUNet, "unet_2d": UNet2D, "sifa": SIFANet}


def make_segmenter(
    classes: int, channels: Sequence[int], architecture: str = "dar_unet", **switches: bool
) -> Segmenter:
    """Return a fresh network.

    Args:
        switches: Of `DARUNet` or `UNet2D`; `SIFANet` has none.
    """
    return ARCHITECTURES[architecture](classes, channels, **switches)


def load_segmenter(path: str | Path, device: torch.device) -> Segmenter:
    """Return the network of a weights file, ready to predict."""
    state, arguments = load_weights(path)
    network = make_segmenter(**arguments)
    network.load_state_dict(state)
    return network.to(device).eval()
