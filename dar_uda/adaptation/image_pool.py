"""Translations of earlier steps, shown to a discriminator beside those of now (Shrivastava et al., CVPR 2017)."""

import numpy as np
import torch
from torch import Tensor

SIZE = 50


class ImagePool:
    """Keep up to 50 images; once full, each new image takes the place of a kept one with probability 1/2.

    Args:
        device: Where the images are.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.images: list[Tensor] = []

    def exchange(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Return as many images (N, 1, H, W): each the new one, or a kept one that it replaces."""
        return torch.stack([self._exchange_one(image, rng) for image in images.detach()])

    def _exchange_one(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        if len(self.images) < SIZE:
            self.images.append(image.clone())
            return image
        if rng.random() < 0.5:
            return image
        place = int(rng.integers(SIZE))
        kept, self.images[place] = self.images[place], image.clone()
        return kept

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"images": self.images}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        self.images = [image.to(self.device) for image in state["images"]]
