"""Patch loading as the method's text has it: whole float64 volumes, then one scipy resampling per operation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BACKGROUND = 0.0


class LiteralPatchSampler:
    """Uniform crops of `.npy` volumes, as large as the patch at least, augmented on the CPU.

    Args:
        images: float64, (D, H, W), in [0, 1].
        labels: The label map of each image.
    """

    def __init__(self, images: Sequence[Path], labels: Sequence[Path], patch: Sequence[int], batch: int) -> None:
        self.images, self.labels, self.patch, self.batch = images, labels, patch, batch

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return images (batch, 1, D, H, W) in [-1, 1] and class indices (batch, D, H, W)."""
        pairs = [self._draw_one(rng) for _ in range(self.batch)]
        images, labels = zip(*pairs, strict=True)
        return np.stack(images)[:, None].astype(np.float32) * 2 - 1, np.stack(labels).astype(np.int64)

    def _draw_one(self, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        index = rng.integers(len(self.images))
        image, label = np.load(self.images[index]), np.load(self.labels[index])
        corner = [rng.integers(full - side + 1) for full, side in zip(image.shape, self.patch, strict=True)]
        box = tuple(slice(start, start + side) for start, side in zip(corner, self.patch, strict=True))
        return literal_augment(image[box], label[box], rng)


def literal_augment(image: NDArray, label: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Return a patch (D, H, W) after intensity changes, rotation, scale, elastic deformation and flip, in turn."""
    if rng.random() < 0.5:
        image = _change_intensity(image, rng)
    if rng.random() < 0.5:
        angle = rng.uniform(-15, 15)
        image, label = (
            ndimage.rotate(array, angle, axes=(1, 2), reshape=False, order=order, cval=BACKGROUND)
            for array, order in ((image, 1), (label, 0))
        )
    if rng.random() < 0.5:
        factor = rng.uniform(0.9, 1.1)
        image, label = _scale(image, factor, order=1), _scale(label, factor, order=0)
    if rng.random() < 0.2:
        knots = rng.normal(scale=3.0, size=(2, 5, 5))
        image, label = _elastic(image, knots, order=1), _elastic(label, knots, order=0)
    if rng.random() < 0.5:
        image, label = np.flip(image, axis=1), np.flip(label, axis=1)
    return image, label


def _change_intensity(image: NDArray, rng: np.random.Generator) -> NDArray:
    for change in rng.permutation(3):
        factor, shift, applied = rng.uniform(0.9, 1.1), rng.uniform(0, 0.1), rng.random() < 0.5
        if applied:
            image = [image * factor, image + shift, image * factor + image.mean() * (1 - factor)][change]
    return np.clip(image, 0, 1)


def _scale(array: NDArray, factor: float, order: int) -> NDArray:
    """Return every slice magnified about its center."""
    size = np.array(array.shape[1:])
    offset = (size - 1) / 2 * (1 - 1 / factor)
    moved = [
        ndimage.affine_transform(slice_, np.full(2, 1 / factor), offset, order=order, cval=BACKGROUND)
        for slice_ in array
    ]
    return np.stack(moved)


def _elastic(array: NDArray, knots: NDArray, order: int) -> NDArray:
    """Return every slice displaced by the field whose coarse knots, (2, rows, columns), are in pixels."""
    size = array.shape[1:]
    field = np.stack([ndimage.zoom(axis, np.divide(size, axis.shape), order=3) for axis in knots])
    places = np.indices(size) + field
    return np.stack([ndimage.map_coordinates(slice_, places, order=order, cval=BACKGROUND) for slice_ in array])
