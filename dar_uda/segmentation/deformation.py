"""Augmentation that keeps patients upright: other bodies and other ways to lie, in the plane and along the slices."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

ROTATION_DEGREES = 15.0
SHIFT = 0.08
"""Largest in-plane shift, as a fraction of the patch."""
ELASTIC_FRACTION, ELASTIC_SHIFT, ELASTIC_KNOTS = 0.8, 0.04, (4, 8)
"""Of patches, which are displaced; the standard deviation at a knot, as a fraction of the patch; and the range of knots
along each axis, without its end."""
LOG_STRETCH = 0.22
"""Slices lie nearer to each other or farther apart by up to exp of this."""


def upright_grid(shape: tuple[int, int], rng: np.random.Generator, scale: float) -> Tensor:
    """Return where every output pixel comes from, (1, H, W, 2) in [-1, 1], the same for every slice.

    Half of the patches each are rotated by up to 15 degrees, scaled along either axis, and shifted; most are displaced
    elastically, on a scale of their own.
    """
    *placed, displaced = rng.random(4) < (0.5, 0.5, 0.5, ELASTIC_FRACTION)
    grid = affine_grid(shape, rng, scale, *placed)
    return grid + _displacement(*shape, rng) if displaced else grid


def affine_grid(
    shape: tuple[int, int], rng: np.random.Generator, scale: float, rotated: bool, scaled: bool, shifted: bool
) -> Tensor:
    """Return where every output pixel comes from, (1, H, W, 2) in [-1, 1], of a patch that moves as a whole."""
    height, width = shape
    angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)) if rotated else 0.0
    zoom = 1 / rng.uniform(1 - scale, 1 + scale, size=2) if scaled else np.ones(2)
    shift = 2 * rng.uniform(-SHIFT, SHIFT, size=2) if shifted else np.zeros(2)
    aspect = height / width
    rotation = np.array([[np.cos(angle), -np.sin(angle) * aspect], [np.sin(angle) / aspect, np.cos(angle)]])
    matrix = np.column_stack([np.diag(zoom) @ rotation, shift])
    return F.affine_grid(torch.tensor(matrix, dtype=torch.float32)[None], [1, 1, height, width], align_corners=False)


def cut_stretched(
    volumes: Sequence[NDArray], corner: Sequence[int], shape: Sequence[int], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return a patch of an image and of its label map whose slices are not those of the volume, but lie between them.

    Between slices the image is interpolated, and the label is that of the nearest; the volume's first and last slice
    are repeated.

    Args:
        volumes: Image and label map, (D, H, W).
        corner: First voxel of the patch as it would be without this; its middle stays where it is.
        shape: Of the patch.
    """
    first, *plane_corner = corner
    slices, *plane = shape
    middle, factor = first + (slices - 1) / 2, np.exp(rng.uniform(-LOG_STRETCH, LOG_STRETCH))
    places = middle + (np.arange(slices) - (slices - 1) / 2) * factor
    places = places.clip(0, len(volumes[0]) - 1)
    lowest, highest = int(places[0]), int(np.ceil(places[-1]))
    box = (highest - lowest + 1, *plane)
    image, label = (cut(volume, (lowest, *plane_corner), box) for volume in volumes)
    below = (places - lowest).astype(int)
    weight = (places - lowest - below)[:, None, None].astype(np.float32)
    above = np.minimum(below + 1, len(image) - 1)
    return image[below] * (1 - weight) + image[above] * weight, label[np.rint(places - lowest).astype(int)]


def cut(volume: np.ndarray, corner: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Return the box at `corner`, zero (background) outside the volume."""
    out = np.zeros(shape, dtype=volume.dtype)
    inside, into = [], []
    for start, side, full in zip(corner, shape, volume.shape, strict=True):
        low, high = max(start, 0), min(start + side, full)
        inside.append(slice(low, high))
        into.append(slice(low - start, high - start))
    out[tuple(into)] = volume[tuple(inside)]
    return out


def _displacement(height: int, width: int, rng: np.random.Generator) -> Tensor:
    count = int(rng.integers(*ELASTIC_KNOTS))
    knots = rng.normal(scale=2 * ELASTIC_SHIFT, size=(1, 2, count, count))
    return F.interpolate(torch.tensor(knots, dtype=torch.float32), size=(height, width), mode="bicubic").movedim(1, -1)
