"""Batches of training slices from the memory-mapped stacks."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.preprocessing.slices import open_slices
from dar_uda.training import ranks

SHIFT, SCALE, ROTATION_DEGREES = 0.1, 0.1, 30.0
LEAST_CONTRAST, ATTEMPTS = 1e-2, 100


class SliceSampler:
    """Draw augmented batches from one domain's stack of slices.

    Args:
        stack: Memory-mapped uint16 stack of shape (slices, H, W).
        crop: Side of a random square crop in pixels; None for whole slices.
    """

    def __init__(self, stack: str | Path, batch: int, crop: int | None) -> None:
        self.stack, self.slices = stack, open_slices(stack)
        height, width = self.slices.shape[1:]
        self.batch, self.size = batch, (min(crop or height, height), min(crop or width, width))

    def draw(self, rng: np.random.Generator, device: torch.device) -> Tensor:
        """Return (batch, 1, H, W) in [-1, 1].

        Images without contrast (background alone) are drawn again: every instance norm would magnify the gradient of
        a constant image, up to infinity.

        Raises:
            ValueError: The stack holds next to nothing else.
        """
        images = self._draw(self.batch, rng, device)
        for _ in range(ATTEMPTS):
            flat = images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)) < LEAST_CONTRAST
            if not flat.any():
                return images
            images[flat] = self._draw(int(flat.sum()), rng, device)
        raise ValueError(
            f"{self.stack}: no slice with contrast in {ATTEMPTS} draws; look at the intensity settings of the domain, "
            "and at translation.crop"
        )

    def _draw(self, count: int, rng: np.random.Generator, device: torch.device) -> Tensor:
        chosen = rng.integers(len(self.slices), size=count)
        images = to_network_range(np.stack([self._crop(self.slices[index], rng) for index in chosen]))
        return augment(images[:, None].to(device), rng)

    def _crop(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        row, column = (int(rng.integers(full - side + 1)) for full, side in zip(image.shape, self.size, strict=True))
        return image[row : row + self.size[0], column : column + self.size[1]]


def open_samplers(stacks: Sequence[str | Path], settings: Mapping[str, Any]) -> tuple[list[SliceSampler], int]:
    """Return a sampler per stack, and the number of updates.

    Args:
        settings: `batch crop epochs steps`; without `steps`, as many updates as `epochs` passes over the larger
            stack take.
    """
    batch = settings["batch"]
    samplers = [SliceSampler(stack, ranks.share(batch, "translation.batch"), settings["crop"]) for stack in stacks]
    passes = max(math.ceil(len(sampler.slices) / batch) for sampler in samplers)
    return samplers, settings["steps"] or settings["epochs"] * passes


def to_network_range(intensities: np.ndarray) -> Tensor:
    """Return stored uint16 intensities as float32 in [-1, 1]."""
    return torch.from_numpy(intensities.astype(np.float32)).mul_(2 / 65535).sub_(1)


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift, scale and rotate half of the images by one resampling each; flip each axis of half of them.

    What comes in from outside is background (-1).
    """
    matrices = torch.tensor(np.stack([_random_affine(rng) for _ in images]), dtype=images.dtype, device=images.device)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images + 1, grid, padding_mode="zeros", align_corners=False) - 1


def _random_affine(rng: np.random.Generator) -> np.ndarray:
    """Return a (2, 3) map from output to input coordinates, both in [-1, 1]."""
    flips = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    matrix, shift = np.diag(flips), np.zeros(2)
    if rng.random() < 0.5:
        angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = matrix @ rotation / rng.uniform(1 - SCALE, 1 + SCALE)
        shift = 2 * rng.uniform(-SHIFT, SHIFT, size=2)
    return np.column_stack([matrix, shift])
