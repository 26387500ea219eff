"""Patches of a training beside what they should become and what they do: the eye's check while it trains."""

import torch
from numpy.typing import NDArray
from torch import Tensor

OPACITY = 0.5
SLICES = ("images", "labels", "predicted")
"""What `draw_slices` takes, in its order."""


def middle_slices(images: Tensor, labels: Tensor, scores: Tensor) -> dict[str, Tensor]:
    """Return of every patch the middle slice, its labels, and the classes that score highest there, each (N, H, W).

    They are copies: the patches' memory is not kept.

    Args:
        images: (N, 1, D, H, W).
        labels: (N, D, H, W) classes.
        scores: (N, classes, D, H, W).
    """
    middle = images.shape[2] // 2
    predicted = scores.detach()[:, :, middle].argmax(dim=1)
    return dict(zip(SLICES, (images[:, 0, middle].clone(), labels[:, middle].clone(), predicted), strict=True))


def draw_slices(images: Tensor, labels: Tensor, predicted: Tensor) -> NDArray:
    """Return slices (N, H, W) as a picture (3 H, N W, 3) in [0, 1]: as they are, under labels, under predicted classes.

    Args:
        images: In [-1, 1]; what lies beyond is drawn black or white.
    """
    gray = ((images.float().clamp(-1, 1) + 1) / 2)[..., None].expand(-1, -1, -1, 3)
    rows = [gray, _tinted(gray, labels), _tinted(gray, predicted)]
    return torch.cat([torch.cat(list(row), dim=1) for row in rows]).cpu().numpy()


def _tinted(gray: Tensor, classes: Tensor) -> Tensor:
    """Return slices (N, H, W, 3) under the colors of the classes above 0."""
    from matplotlib.colors import to_rgb

    from dar_uda.figures.style import COLORS_ON_IMAGES, color_of

    colors = [to_rgb(color_of(index, COLORS_ON_IMAGES)) for index in range(int(classes.max()))]
    table = torch.tensor([(0.0, 0.0, 0.0), *colors], device=gray.device)
    opacity = OPACITY * (classes > 0)[..., None]
    return gray * (1 - opacity) + table[classes] * opacity
