"""Training patches from memory-mapped volumes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import LEVELS, open_image, open_label
from dar_uda.segmentation.augmentation import AUGMENTATIONS
from dar_uda.segmentation.deformation import cut, cut_stretched
from dar_uda.segmentation.domain_randomization import DomainRandomization
from dar_uda.training.prefetch import to_device


class PatchSampler:
    """Draw augmented patches; each volume is as likely as any other.

    Args:
        images: Volumes on the network grid.
        labels: The label volume of each image; None: there are none, and the patches' labels are background.
        patch_size: (depth, height, width) in voxels; a smaller volume is padded with background, or,
            where it is stretched, with its outermost slices.
        foreground_fraction: Fraction of patches around a voxel of a structure, each structure as likely as any other;
            the others lie anywhere (0: the paper's uniform crops).
        scale: See `augment`.
        augmentation: One of `AUGMENTATIONS`; of `upright` patches half are cut by `cut_stretched`.
        domain_randomization: None: none.
        source: Images and labels of the untranslated source, of which `domain_randomization` draws a fraction.
    """

    def __init__(
        self,
        images: Sequence[str | Path],
        labels: Sequence[str | Path] | None,
        patch_size: Sequence[int],
        batch_size: int,
        foreground_fraction: float,
        scale: float = 0.1,
        augmentation: str = "published",
        domain_randomization: DomainRandomization | None = None,
        source: tuple[Sequence[str | Path], Sequence[str | Path]] = ((), ()),
    ) -> None:
        self.volumes = list(zip(images, labels or [None] * len(images), strict=True))
        self.source = list(zip(*source, strict=True))
        self.patch_size, self.batch_size, self.scale = tuple(patch_size), batch_size, scale
        self.augmentation = augmentation
        self.foreground_fraction, self.domain_randomization = foreground_fraction, domain_randomization
        self._voxels: dict[str | Path, StructureVoxels] = {}

    def draw(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return images (batch, 1, D, H, W) in [-1, 1] and class indices (batch, D, H, W)."""
        pairs = [self._draw_one(rng, device) for _ in range(self.batch_size)]
        images, labels = zip(*pairs, strict=True)
        return torch.stack(images)[:, None].mul_(2).sub_(1), torch.stack(labels).long()

    def _draw_one(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        stored, found = self._draw_stored(rng)
        patch, classes = (to_device(torch.from_numpy(array), device) for array in (stored, found))
        patch, classes = self._augmented(patch.float().div_(LEVELS), classes, rng)
        if self.domain_randomization:
            patch = self.domain_randomization.apply(patch, classes, rng, int(found.max()) + 1)
        return patch, classes

    def _draw_stored(self, rng: np.random.Generator) -> tuple[NDArray, NDArray[np.uint8]]:
        """Return a patch as the file has it, and its class indices, (D, H, W) each."""
        volumes = self._draw_volumes(rng)
        image_path, label_path = volumes[int(rng.integers(len(volumes)))]
        image = open_image(image_path)
        label = np.broadcast_to(np.uint8(0), image.shape) if label_path is None else open_label(label_path)
        return self._cut(image, label, self._corner(label_path, label, rng), rng)

    def _augmented(self, patch: Tensor, classes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        return AUGMENTATIONS[self.augmentation](patch, classes, rng, self.scale)

    def _cut(
        self, image: NDArray[np.uint16], label: NDArray[np.uint8], corner: Sequence[int], rng: np.random.Generator
    ) -> tuple[NDArray, NDArray[np.uint8]]:
        if self.augmentation == "upright" and rng.random() < 0.5:
            return cut_stretched((image, label), corner, self.patch_size, rng)
        return cut(image, corner, self.patch_size), cut(label, corner, self.patch_size)

    def _draw_volumes(self, rng: np.random.Generator) -> list[tuple[str | Path, str | Path | None]]:
        if self.domain_randomization and self.source and rng.random() < self.domain_randomization.source_fraction:
            return self.source
        return self.volumes

    def _corner(self, path: str | Path, label: NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, ...]:
        """Return the patch's first voxel; along an axis shorter than the patch, such that the volume fits in."""
        room = [full - side for full, side in zip(label.shape, self.patch_size, strict=True)]
        lowest, highest = [min(0, space) for space in room], [max(0, space) for space in room]
        if rng.random() < self.foreground_fraction and (center := self._structure_voxel(path, label, rng)) is not None:
            jittered = (
                voxel - side // 2 + int(rng.integers(-(side // 4), side // 4 + 1))
                for voxel, side in zip(center, self.patch_size, strict=True)
            )
            return tuple(int(np.clip(c, low, high)) for c, low, high in zip(jittered, lowest, highest, strict=True))
        return tuple(int(rng.integers(low, high + 1)) for low, high in zip(lowest, highest, strict=True))

    def _structure_voxel(
        self, path: str | Path, label: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[int, int, int] | None:
        if path not in self._voxels:
            self._voxels[path] = StructureVoxels(label)
        return self._voxels[path].draw(label, rng)


class StructureVoxels:
    """Draw voxels of a label map's structures without reading all of it each time.

    Only the number of voxels per slice and structure is kept; a draw reads one slice.
    """

    def __init__(self, label: NDArray[np.uint8]) -> None:
        self.counts = np.stack([np.bincount(slice_.ravel(), minlength=256) for slice_ in label])
        self.structures = np.flatnonzero(self.counts[:, 1:].any(axis=0)) + 1

    def draw(self, label: NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, int, int] | None:
        """Return a voxel: each structure is as likely as any other, and each voxel of it; None without structures.

        Args:
            label: The label map of the counts.
        """
        if len(self.structures) == 0:
            return None
        structure = rng.choice(self.structures)
        cumulative = np.cumsum(self.counts[:, structure])
        index = int(rng.integers(cumulative[-1]))
        depth = int(np.searchsorted(cumulative, index, side="right"))
        in_slice = np.argwhere(label[depth] == structure)
        height, width = in_slice[index - cumulative[depth]]  # negative: counted from the slice's last voxel
        return depth, int(height), int(width)
