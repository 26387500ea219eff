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
from dar_uda.training import distributed
from dar_uda.training.prefetch import to_device

SHIFT, SCALE, ROTATION_DEGREES = 0.1, 0.1, 30.0
LEAST_CONTRAST, ATTEMPTS = 1e-2, 100
LEVELS = 65535 / 2
"""Stored intensities per unit of the network's range."""


class SliceSampler:
    """Draw augmented batches from one domain's stack of slices.

    Args:
        stack: Memory-mapped uint16 stack of shape (slices, H, W).
        crop_size: Side of a random square crop in pixels; None for whole slices.
    """

    def __init__(self, stack: str | Path, batch_size: int, crop_size: int | None) -> None:
        self.stack, self.slices = stack, open_slices(stack)
        height, width = self.slices.shape[1:]
        self.batch_size, self.size = batch_size, (min(crop_size or height, height), min(crop_size or width, width))

    def draw(self, rng: np.random.Generator, device: torch.device) -> Tensor:
        """Return (batch, 1, H, W) in [-1, 1].

        Every image has contrast: each instance norm would magnify the gradient of a constant one (background alone),
        up to infinity. Crops without contrast are drawn again, before they go to the device; of an image that
        augmentation has moved out of sight the crop is taken as it is.

        Raises:
            ValueError: The stack holds next to nothing with contrast.
        """
        images = to_device(to_network_range(np.stack(self._draw_crops(rng)))[:, None], device)
        moved = augment(images, rng)
        low, high = moved.amin(dim=(1, 2, 3), keepdim=True), moved.amax(dim=(1, 2, 3), keepdim=True)
        return torch.where(high - low < LEAST_CONTRAST, images, moved)

    def _draw_crops(self, rng: np.random.Generator) -> list[np.ndarray]:
        crops = [self._crop(self.slices[index], rng) for index in rng.integers(len(self.slices), size=self.batch_size)]
        for _ in range(ATTEMPTS):
            flat = [place for place, crop in enumerate(crops) if np.ptp(crop) < LEAST_CONTRAST * LEVELS]
            if not flat:
                return crops
            for place in flat:
                crops[place] = self._crop(self.slices[int(rng.integers(len(self.slices)))], rng)
        raise ValueError(
            f"DAR-228: {self.stack}: no slice with contrast in {ATTEMPTS} draws; look at the intensity settings of the "
            "domain, and at translation.crop_size"
        )

    def _crop(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        row, column = (int(rng.integers(full - side + 1)) for full, side in zip(image.shape, self.size, strict=True))
        return image[row : row + self.size[0], column : column + self.size[1]]


def open_samplers(stacks: Sequence[str | Path], settings: Mapping[str, Any]) -> tuple[list[SliceSampler], int]:
    """Return a sampler per stack, and the number of updates.

    Args:
        settings: `batch_size crop_size epochs steps`; without `steps`, as many updates as `epochs` passes over the
            larger stack take.
    """
    batch_size = settings["batch_size"]
    samplers = [
        SliceSampler(stack, distributed.local_batch_size(batch_size, "translation.batch_size"), settings["crop_size"])
        for stack in stacks
    ]
    passes = max(math.ceil(len(sampler.slices) / batch_size) for sampler in samplers)
    return samplers, settings["steps"] or settings["epochs"] * passes


def to_network_range(intensities: np.ndarray) -> Tensor:
    """Return stored uint16 intensities as float32 in [-1, 1]."""
    return torch.from_numpy(intensities.astype(np.float32)).mul_(1 / LEVELS).sub_(1)


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift, scale and rotate half of the images by one resampling each; flip each axis of half of them.

    What comes in from outside is background (-1).
    """
    drawn = torch.tensor(np.stack([_random_affine(rng) for _ in images]), dtype=images.dtype)
    matrices = to_device(drawn, images.device)
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
