"""Training patches from memory-mapped volumes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dar_uda.data.network_volume import open_image, open_label
from dar_uda.segmentation.augmentation import augment


class PatchSampler:
    """Draw augmented patches; each volume is as likely as any other.

    Args:
        images: Volumes on the network grid.
        labels: The label volume of each image.
        patch: (depth, height, width) in voxels; a smaller volume is padded with background.
        foreground_share: Share of patches around a voxel of a structure, each structure as likely as any other;
            the others lie anywhere (0: the paper's uniform crops).
    """

    def __init__(
        self,
        images: Sequence[str | Path],
        labels: Sequence[str | Path],
        patch: Sequence[int],
        batch: int,
        foreground_share: float,
    ) -> None:
        self.images, self.labels, self.patch, self.batch = images, labels, tuple(patch), batch
        self.foreground_share = foreground_share

    def draw(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return images (batch, 1, D, H, W) in [-1, 1] and class indices (batch, D, H, W)."""
        pairs = [self._draw_one(rng, device) for _ in range(self.batch)]
        images, labels = zip(*pairs, strict=True)
        return torch.stack(images)[:, None], torch.stack(labels)

    def _draw_one(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        index = int(rng.integers(len(self.images)))
        image, label = open_image(self.images[index]), open_label(self.labels[index])
        corner = self._corner(label, rng)
        intensities = torch.from_numpy(_cut(image, corner, self.patch).astype(np.float32) / 65535).to(device)
        classes = torch.from_numpy(_cut(label, corner, self.patch).astype(np.int64)).to(device)
        intensities, classes = augment(intensities, classes, rng)
        return intensities * 2 - 1, classes

    def _corner(self, label: np.ndarray, rng: np.random.Generator) -> tuple[int, ...]:
        """Return the patch's first voxel; along an axis shorter than the patch, such that the volume fits in."""
        room = [full - side for full, side in zip(label.shape, self.patch, strict=True)]
        lowest, highest = [min(0, space) for space in room], [max(0, space) for space in room]
        if rng.random() < self.foreground_share and (centre := _random_structure_voxel(label, rng)) is not None:
            jittered = (
                voxel - side // 2 + int(rng.integers(-(side // 4), side // 4 + 1))
                for voxel, side in zip(centre, self.patch, strict=True)
            )
            return tuple(int(np.clip(c, low, high)) for c, low, high in zip(jittered, lowest, highest, strict=True))
        return tuple(int(rng.integers(low, high + 1)) for low, high in zip(lowest, highest, strict=True))


def _random_structure_voxel(label: np.ndarray, rng: np.random.Generator) -> tuple[int, ...] | None:
    structures = np.flatnonzero(np.bincount(label.ravel())[1:]) + 1
    if len(structures) == 0:
        return None
    voxels = np.flatnonzero(label.ravel() == rng.choice(structures))
    return tuple(int(index) for index in np.unravel_index(rng.choice(voxels), label.shape))


def _cut(volume: np.ndarray, corner: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Return the box at `corner`, zero (background) outside the volume."""
    out = np.zeros(shape, dtype=volume.dtype)
    inside, into = [], []
    for start, side, full in zip(corner, shape, volume.shape, strict=True):
        low, high = max(start, 0), min(start + side, full)
        inside.append(slice(low, high))
        into.append(slice(low - start, high - start))
    out[tuple(into)] = volume[tuple(inside)]
    return out
