"""Patches as a variant wants them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.ideas import looks
from benchmarks.ideas.looks import (
    change_classes,
    change_intensity_richly,
    change_intensity_widely,
    change_parts,
    moved,
    random_convolution_in_range,
)
from benchmarks.ideas.trainer import UNKNOWN
from benchmarks.ideas.variants import Variant
from dar_uda.data.network_volume import LEVELS, open_image, open_label
from dar_uda.segmentation import deformation
from dar_uda.segmentation.augmentation import change_intensity, random_grid
from dar_uda.segmentation.deformation import cut, cut_stretched
from dar_uda.segmentation.domain_randomization import change_structures, random_convolution
from dar_uda.segmentation.patches import PatchSampler, StructureVoxels


@dataclass(frozen=True)
class Looks:
    """In place of `DomainRandomization`, and of the intensities' part of `augment`."""

    variant: Variant
    gin: float
    structure_contrast: float
    source_fraction: float

    def apply(self, image: Tensor, label: Tensor, rng: np.random.Generator, classes: int) -> Tensor:
        """Return the patch (D, H, W) in [0, 1] in a new look."""
        label, background = label * (label != UNKNOWN), self.variant.background_classes
        if self.variant.intensity == "wide":
            image = change_intensity_widely(image, rng)
        elif self.variant.intensity == "rich":
            image = change_intensity_richly(image, rng)
        elif rng.random() < 0.5:
            image = change_intensity(image, rng)
        if rng.random() < self.structure_contrast:
            changed = change_classes(image, label, rng, classes, background) if background else None
            image = change_structures(image, label, rng, classes) if changed is None else changed
        if self.variant.parts and rng.random() < self.variant.parts:
            image = change_parts(image, label, rng, classes)
        if rng.random() < self.gin:
            in_range = self.variant.gin_form == "range"
            image = random_convolution_in_range(image, rng) if in_range else random_convolution(image, rng)
        return image


class IdeaSampler(PatchSampler):
    """Patches placed and changed as a variant wants; with `consistency` two looks of each, all first looks first."""

    def __init__(self, *args: Any, variant: Variant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.variant = variant

    def draw(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        if not self.variant.consistency:
            return super().draw(rng, device)
        places = [self._placed(rng) for _ in range(self.batch_size // 2)]
        images = [self.domain_randomization.apply(*place[:2], rng, place[2]) for _ in range(2) for place in places]
        labels = [place[1] for _ in range(2) for place in places]
        return torch.stack(images)[:, None].mul_(2).sub_(1), torch.stack(labels).long()

    def _draw_one(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        image, label, classes = self._placed(rng)
        return self.domain_randomization.apply(image.to(device), label.to(device), rng, classes), label.to(device)

    def _placed(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
        """Return a patch in its own look, its classes, and a number above them."""
        volumes = self._draw_volumes(rng)
        image_path, label_path = volumes[int(rng.integers(len(volumes)))]
        label = open_label(label_path)
        corner = self._corner(label_path, label, rng)
        bent = self.variant.geometry == "bent"
        if bent and rng.random() < 0.5:
            stored, found = cut_stretched((open_image(image_path), label), corner, self.patch_size, rng)
        else:
            stored, found = (cut(volume, corner, self.patch_size) for volume in (open_image(image_path), label))
        image, classes = torch.from_numpy(stored).float().div_(LEVELS), torch.from_numpy(found)
        if self.variant.geometry != "flipped":
            grid = (deformation if bent else looks).upright_grid(image.shape[1:], rng, self.scale)
        else:
            if rng.random() < 0.5:
                image, classes = image.flip(1), classes.flip(1)
            grid = random_grid(image.shape[1:], rng, self.scale)
        if grid is not None:
            image, classes = moved(image, classes, grid)
        return image, classes, int(found[found != UNKNOWN].max(initial=0)) + 1

    def _structure_voxel(
        self, path: str | Path, label: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[int, int, int] | None:
        if path not in self._voxels:
            self._voxels[path] = StructureVoxels(np.where(label == UNKNOWN, 0, label))
        return self._voxels[path].draw(label, rng)
