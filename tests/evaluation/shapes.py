"""Masks and label maps whose metrics are known."""

import numpy as np
from scipy.ndimage import gaussian_filter

TILT = np.array([[0.7, 0, 0], [0, 0.8, 1.2], [0, 0, 3.0]])
"""Steps of a CT with the gantry tilted by 22 degrees: each slice of 3 mm lies 1.2 mm further along the second axis."""


def plane(position: int) -> np.ndarray:
    mask = np.zeros((8, 6, 7), dtype=bool)
    mask[2 + position] = True
    return mask


def ball(radius: float, size: int = 41) -> np.ndarray:
    axes = np.indices((size, size, size)) - size // 2
    return (axes**2).sum(axis=0) <= radius**2


def random_labels(rng: np.random.Generator) -> np.ndarray:
    """Return a label map of smooth random blobs of three structures, many of which touch the volume's border."""
    noise = np.stack([gaussian_filter(rng.random((14, 20, 18)), 1.5) for _ in range(4)])
    return noise.argmax(axis=0).astype(np.uint8)
