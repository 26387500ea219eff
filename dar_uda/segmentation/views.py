"""The paper's test-time augmentation: averaged, a better mask; compared, a label-free warning sign."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.network_volume import STEPS

Image = NDArray[np.uint16]
Slabs = Iterator[NDArray[np.float32]]


def _as_it_is(volume: NDArray) -> NDArray:
    return volume


def _flipped(volume: NDArray) -> NDArray:
    return np.ascontiguousarray(volume[..., ::-1, :])


def _scaled(factor: float, shift: float) -> Callable[[Image], Image]:
    return lambda image: np.clip(image * np.float32(factor) + np.float32(shift * STEPS), 0, STEPS).astype(np.uint16)


# (image changed, probabilities brought back): as it is, antero-posterior flip, intensity x 1.1, x 0.9, + 0.1.
VIEWS: tuple[tuple[Callable[[Image], Image], Callable[[NDArray], NDArray]], ...] = (
    (_as_it_is, _as_it_is),
    (_flipped, _flipped),
    (_scaled(1.1, 0.0), _as_it_is),
    (_scaled(0.9, 0.0), _as_it_is),
    (_scaled(1.0, 0.1), _as_it_is),
)


def predict_views(image: Image, slabs_of: Callable[[Image], Slabs]) -> Iterator[list[NDArray[np.float32]]]:
    """Yield the probabilities of every view of an image, slab after slab, the image as it is first.

    Args:
        image: (D, H, W) as stored.
        slabs_of: Gives the probabilities (classes, slices, H, W) of an image.
    """
    for slabs in zip(*(slabs_of(change(image)) for change, _ in VIEWS), strict=True):
        yield [back(slab) for (_, back), slab in zip(VIEWS, slabs, strict=True)]


class Disagreement:
    """How far the masks of the changed views lie from that of the image as it is, for each structure.

    Args:
        structures: Number of structures, classes 1..K.
    """

    def __init__(self, structures: int) -> None:
        self.labels = range(1, structures + 1)
        self.common = np.zeros((len(VIEWS) - 1, structures))
        self.voxels = np.zeros((len(VIEWS) - 1, structures))

    def add(self, slabs: Sequence[NDArray[np.float32]]) -> None:
        """Count the voxels of one slab: its probabilities in every view."""
        first, *others = (slab.argmax(axis=0) for slab in slabs)
        for view, other in enumerate(others):
            for index, label in enumerate(self.labels):
                here, there = first == label, other == label
                self.common[view, index] += np.count_nonzero(here & there)
                self.voxels[view, index] += np.count_nonzero(here) + np.count_nonzero(there)

    def values(self) -> NDArray[np.float64]:
        """Return (structures,): the mean over the changes of 1 - Dice, in network voxels; NaN where no mask has any."""
        with np.errstate(invalid="ignore"):
            distances = pd.DataFrame(1 - 2 * self.common / self.voxels)
        return distances.mean(axis=0).to_numpy(dtype=float)
