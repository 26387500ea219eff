"""Sample grid of a translator: the eye's check while it trains."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dar_uda.jobs.files import write_beside
from dar_uda.translation.slices import to_network_range
from dar_uda.translation.translator import Translator

COLUMNS = 6


@torch.no_grad()
def draw_previews(
    translator: Translator, stacks: Sequence[np.ndarray], figure: str | Path, device: torch.device
) -> None:
    """Draw fixed slices of both domains: as they are, reconstructed, and in the style of the other domain's slice.

    Args:
        stacks: (slices, H, W) uint16 of domain a and of domain b.
        figure: Output, PNG; six rows (a, a again, a as b, b, b again, b as a).
    """
    images_a, images_b = (spread(stack).to(device) for stack in stacks)
    content_a, content_b = translator.content(images_a), translator.content(images_b)
    style_a, style_b = translator.styles(images_a, images_b).chunk(2)
    rows = [
        images_a,
        translator.decoder(content_a, style_a),
        translator.decoder(content_a, style_b),
        images_b,
        translator.decoder(content_b, style_b),
        translator.decoder(content_b, style_a),
    ]
    save_gray(rows, figure)


def spread(stack: np.ndarray) -> torch.Tensor:
    """Return six slices (6, 1, H, W) in [-1, 1], evenly spread over a stack (slices, H, W) of uint16."""
    chosen = np.linspace(0, len(stack) - 1, COLUMNS + 2).round().astype(int)[1:-1]
    return to_network_range(stack[chosen])[:, None]


def save_gray(rows: Sequence[torch.Tensor], path: str | Path) -> None:
    """Write rows of images, each (N, 1, H, W) in [-1, 1], as one PNG."""
    from matplotlib.image import imsave

    grid = torch.cat([torch.cat(list(row[:, 0]), dim=1) for row in rows]).cpu().numpy()
    with write_beside(path) as temporary:
        imsave(temporary, grid, cmap="gray", vmin=-1, vmax=1)
