"""Augmentation of training patches: intensity first, then one in-plane resampling for image and label alike."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.segmentation.deformation import ROTATION_DEGREES, upright_grid
from dar_uda.training.prefetch import to_device

ELASTIC_KNOTS, ELASTIC_PIXELS = 5, 3.0


def augment(image: Tensor, label: Tensor, rng: np.random.Generator, scale: float = 0.1) -> tuple[Tensor, Tensor]:
    """Return an augmented patch.

    Args:
        image: (D, H, W) in [0, 1].
        label: Class indices, the same shape.
        scale: Largest share by which half of the patches grow or shrink in-plane.
    """
    if rng.random() < 0.5:
        image = change_intensity(image, rng)
    if rng.random() < 0.5:
        image, label = image.flip(1), label.flip(1)
    grid = random_grid(image.shape[1:], rng, scale)
    return (image, label) if grid is None else _moved(image, label, grid)


def augment_upright(image: Tensor, label: Tensor, rng: np.random.Generator, scale: float) -> tuple[Tensor, Tensor]:
    """Return an augmented patch that is not flipped, see `upright_grid`; images and labels as in `augment`."""
    if rng.random() < 0.5:
        image = change_intensity(image, rng)
    return _moved(image, label, upright_grid(image.shape[1:], rng, scale))


AUGMENTATIONS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {"published": augment, "upright": augment_upright}
"""By the name of `segmentation.augmentation`."""


def _moved(image: Tensor, label: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    grid = to_device(grid, image.device)
    moved = F.grid_sample(image[None], grid, mode="bilinear", align_corners=False)[0]
    moved_label = F.grid_sample(label[None].float(), grid, mode="nearest", align_corners=False)[0]
    return moved, moved_label.to(label.dtype)


def change_intensity(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Brighten, shift and change the contrast, each with probability one half and in random order; clip to [0, 1]."""
    for change in rng.permutation(3):
        factor, shift, applied = rng.uniform(0.9, 1.1), rng.uniform(0, 0.1), rng.random() < 0.5
        if not applied:
            continue
        if change == 0:
            image = image * factor
        elif change == 1:
            image = image + shift
        else:
            image = image * factor + image.mean() * (1 - factor)
    return image.clamp(0, 1)


def random_grid(shape: tuple[int, int], rng: np.random.Generator, scale: float = 0.1) -> Tensor | None:
    """Return where every output pixel comes from, (1, H, W, 2) in [-1, 1], or None where nothing moves.

    The same for every slice: rotation up to 15 degrees, scaling, elastic displacement of a few pixels. The
    antero-posterior flip is the only one: a left-right flip would turn a left kidney into a right one.
    """
    height, width = shape
    rotated, scaled, elastic = rng.random(3) < (0.5, 0.5, 0.2)
    if not (rotated or scaled or elastic):
        return None
    angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)) if rotated else 0.0
    zoom = 1 / rng.uniform(1 - scale, 1 + scale) if scaled else 1.0
    aspect = height / width
    matrix = zoom * np.array([[np.cos(angle), -np.sin(angle) * aspect, 0], [np.sin(angle) / aspect, np.cos(angle), 0]])
    grid = F.affine_grid(torch.tensor(matrix, dtype=torch.float32)[None], [1, 1, height, width], align_corners=False)
    if elastic:
        grid = grid + _elastic_displacement(height, width, rng)
    return grid


def _elastic_displacement(height: int, width: int, rng: np.random.Generator) -> Tensor:
    knots = rng.normal(scale=ELASTIC_PIXELS, size=(1, 2, ELASTIC_KNOTS, ELASTIC_KNOTS))
    pixels = F.interpolate(torch.tensor(knots, dtype=torch.float32), size=(height, width), mode="bicubic")
    return pixels.movedim(1, -1) * torch.tensor([2 / width, 2 / height])
