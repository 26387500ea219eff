"""The paper's test-time augmentation: the mean over transforms of an image, and how far their masks differ."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import LEVELS

Image = NDArray[np.uint16]
Slabs = Iterator[Tensor]
Transform = tuple[Callable[[Image], Image], Callable[[Tensor], Tensor]]


def _as_it_is(volume: Image | Tensor) -> Image | Tensor:
    return volume


def _flipped(image: Image) -> Image:
    return np.ascontiguousarray(image[..., ::-1, :])


def _flipped_back(slab: Tensor) -> Tensor:
    return slab.flip(-2)


def _scaled(factor: float, shift: float) -> Callable[[Image], Image]:
    def change(image: Image) -> Image:
        changed = np.empty(image.shape, np.uint16)
        for here, there in zip(image, changed, strict=True):  # a slice at a time stays in the CPU's cache
            there[...] = np.clip(here * np.float32(factor) + np.float32(shift * LEVELS), 0, LEVELS)
        return changed

    return change


# (image changed, probabilities brought back): as it is, antero-posterior flip, intensity x 1.1, x 0.9, + 0.1.
TTA_TRANSFORMS: tuple[Transform, ...] = (
    (_as_it_is, _as_it_is),
    (_flipped, _flipped_back),
    (_scaled(1.1, 0.0), _as_it_is),
    (_scaled(0.9, 0.0), _as_it_is),
    (_scaled(1.0, 0.1), _as_it_is),
)


UPRIGHT_TRANSFORMS = tuple(transform for transform in TTA_TRANSFORMS if transform[0] is not _flipped)


def transforms_of(flips: bool) -> tuple[Transform, ...]:
    """Return the TTA transforms of a network.

    Args:
        flips: Whether it was trained on flipped patches; others see scans upright alone.
    """
    return TTA_TRANSFORMS if flips else UPRIGHT_TRANSFORMS


def predict_transformed(image: Image, slabs_of: Callable[[Image], Slabs], flips: bool) -> Iterator[list[Tensor]]:
    """Yield the probabilities of every TTA transform of an image, slab after slab, the image as it is first.

    Args:
        image: (D, H, W) as stored.
        slabs_of: Gives the probabilities (classes, slices, H, W) of an image.
        flips: See `transforms_of`.
    """
    transforms = transforms_of(flips)
    for slabs in zip(*(slabs_of(change(image)) for change, _ in transforms), strict=True):
        yield [back(slab) for (_, back), slab in zip(transforms, slabs, strict=True)]


def mean_of(slabs: Sequence[Tensor]) -> Tensor:
    """Return the mean of the probabilities of all TTA transforms."""
    return sum(slabs[1:], start=slabs[0]) / len(slabs)


def likeliest(slab: Tensor) -> Tensor:
    """Return the class of the highest probability, the first of equal ones, int64: on a CPU quicker than `argmax`."""
    return slab.max(dim=0).indices


class TtaInconsistency:
    """How far the masks of the transformed images lie from that of the image as it is, for each structure.

    Args:
        structures: Number of structures, classes 1..K.
    """

    def __init__(self, structures: int) -> None:
        self.common = self.voxels = np.zeros((1, structures))

    def add(self, slabs: Sequence[Tensor]) -> None:
        """Count the voxels of one slab: its probabilities under every TTA transform."""
        classes = len(slabs[0])
        first, *others = (likeliest(slab).flatten() for slab in slabs)
        counts = [torch.bincount(first * classes + other, minlength=classes**2) for other in others]
        pairs = torch.stack(counts).view(-1, classes, classes).cpu().numpy()
        self.common = self.common + pairs.diagonal(axis1=1, axis2=2)[:, 1:]
        self.voxels = self.voxels + (pairs.sum(axis=1) + pairs.sum(axis=2))[:, 1:]

    def values(self) -> NDArray[np.float64]:
        """Return (structures,): the mean over the changes of 1 - Dice, in network voxels; NaN where no mask has any."""
        with np.errstate(invalid="ignore"):
            distances = pd.DataFrame(1 - 2 * self.common / self.voxels)
        return distances.mean(axis=0).to_numpy(dtype=float)
