"""A label-free warning sign: how much a segmenter's masks change when the image changes a little."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.network_volume import STEPS

Volume = NDArray[np.generic]


def _scaled(factor: float, shift: float) -> Callable[[Volume], Volume]:
    return lambda image: np.clip(image * np.float32(factor) + np.float32(shift * STEPS), 0, STEPS).astype(np.uint16)


def _flipped(volume: Volume) -> Volume:
    return np.ascontiguousarray(volume[:, ::-1])


def _same(volume: Volume) -> Volume:
    return volume


# The changes of the paper's test-time augmentation: (image changed, mask brought back).
CHANGES: tuple[tuple[Callable[[Volume], Volume], Callable[[Volume], Volume]], ...] = (
    (_flipped, _flipped),
    (_scaled(1.1, 0.0), _same),
    (_scaled(0.9, 0.0), _same),
    (_scaled(1.0, 0.1), _same),
)


def disagreement(
    image: NDArray[np.uint16],
    mask: NDArray[np.uint8],
    segment: Callable[[NDArray[np.uint16]], NDArray[np.uint8]],
    structures: int,
) -> NDArray[np.float64]:
    """Return how far the masks of changed images lie from that of the image as it is, for each structure.

    The changes are an antero-posterior flip, intensities times 1.1, times 0.9 and plus 0.1 (paper, test-time
    augmentation); disagreement is the mean over them of 1 - Dice, in network voxels.

    Args:
        image: (D, H, W) as stored.
        mask: Its classes, the same shape.
        segment: Gives the classes of an image.
        structures: Number of structures, classes 1..K.

    Returns:
        (structures,): 0 where nothing moves the mask, NaN where no mask holds the structure.
    """
    changed = [back(segment(change(image))) for change, back in CHANGES]
    distances = [[_distance(mask == label, other == label) for label in range(1, structures + 1)] for other in changed]
    return pd.DataFrame(distances).mean(axis=0).to_numpy(dtype=float)


def _distance(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return 1 - Dice of two masks; NaN where both are empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return 1 - 2 * np.count_nonzero(first & second) / total if total else float("nan")
