"""Single slices of both domains for rivals that translate and segment in one training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import LEVELS
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.translation.slices import ATTEMPTS, LEAST_CONTRAST

SAMPLING = ("patch_size", "scale", "augmentation")


class LabeledSliceSampler(PatchSampler):
    """Draw augmented slices that have contrast; each lies anywhere in any volume.

    Every instance norm would magnify the gradient of a constant slice, see `dar_uda.translation.slices`. Slices of
    both domains are drawn alike, so that nothing but their looks tells a discriminator where they come from.

    Args:
        settings: The configuration's branch `segmentation`; of its patches the slices have height and width.
    """

    def __init__(
        self,
        images: Sequence[str | Path],
        labels: Sequence[str | Path] | None,
        settings: Mapping[str, Any],
        batch_size: int,
    ) -> None:
        chosen = {key: settings[key] for key in SAMPLING}
        chosen["patch_size"] = [1, *settings["patch_size"][1:]]
        super().__init__(images, labels, **chosen, batch_size=batch_size, foreground_fraction=0)

    def draw(self, rng: np.random.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return images (batch, 1, H, W) in [-1, 1] and class indices (batch, H, W).

        Raises:
            ValueError: The volumes hold next to nothing with contrast.
        """
        images, labels = super().draw(rng, device)
        return images[:, :, 0], labels[:, 0]

    def _draw_stored(self, rng: np.random.Generator) -> tuple[NDArray, NDArray[np.uint8]]:
        for _ in range(ATTEMPTS):
            stored, classes = super()._draw_stored(rng)
            if np.ptp(stored) >= LEAST_CONTRAST / 2 * LEVELS:
                return stored, classes
        raise ValueError(
            f"DAR-228: {self.volumes[0][0]} and others: no slice with contrast in {ATTEMPTS} draws; look at the "
            "intensity settings of the domain, and at segmentation.patch_size"
        )

    def _augmented(self, patch: Tensor, classes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Take a slice as it is where augmentation has moved all that it shows out of sight."""
        moved, moved_classes = super()._augmented(patch, classes, rng)
        is_flat = moved.amax() - moved.amin() < LEAST_CONTRAST / 2
        return torch.where(is_flat, patch, moved), torch.where(is_flat, classes, moved_classes)


def open_slices(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    target_images: Sequence[str | Path],
    settings: Mapping[str, Any],
    batch_size: int,
) -> list[LabeledSliceSampler]:
    """Return the sampler of the labeled source and that of the target, see `LabeledSliceSampler`."""
    volumes = ((images, labels), (target_images, None))
    return [LabeledSliceSampler(*files, settings, batch_size) for files in volumes]
