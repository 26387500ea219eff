"""Sliding-window inference that never holds the scores of a whole volume.

The same windows and weights as MONAI's `sliding_window_inference`; slices are handed on as soon as no further window
reaches them, so memory grows with the area of a slice, not with their number. All of it happens on the device.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Literal, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.segmentation.memory_format import laid

Weighting = Literal["constant", "gaussian"]
T = TypeVar("T")
SIGMA, LEAST = 0.125, 1e-3


@torch.no_grad()
def predict_slabs(
    network: Callable[[Tensor], Tensor],
    image: NDArray[np.uint16],
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch_size: int,
    device: torch.device,
) -> Iterator[Tensor]:
    """Yield (classes, slices, H, W), slab after slab along the depth: softmax of the windows' weighted mean scores.

    Slabs are float32 and lie on the device.

    Args:
        network: Gives windows (N, 1, d, h, w) their scores (N, classes, d, h, w), such as `WindowScores`.
        image: (D, H, W) as stored; a volume smaller than the window is padded with background.
        window: (D, H, W) in voxels.
        overlap: Fraction of the window.
        batch_size: Windows per forward pass.
    """
    sides = [max(full, side) for full, side in zip(image.shape, window, strict=True)]
    before = [(side - full) // 2 for full, side in zip(image.shape, sides, strict=True)]
    depths, rows, columns = (window_starts(full, side, overlap) for full, side in zip(sides, window, strict=True))
    groups = _groups(depths, -(-batch_size // (len(rows) * len(columns))))
    reach = max(starts[-1] - starts[0] for starts in groups) + window[0]
    sums = _RollingSums(window, weighting, (reach, *sides[1:]), device)
    for starts, following in zip(groups, [*(group[0] for group in groups[1:]), sides[0]], strict=True):
        first = starts[0]
        slab = _cut(image, (first, 0, 0), before, (starts[-1] - first + window[0], *sides[1:]), device)
        for corners in _groups(list(product((start - first for start in starts), rows, columns)), batch_size):
            patches = torch.stack([slab[_place(corner, window)] for corner in corners])
            scores = laid(network(patches[:, None]).float(), torch.contiguous_format)
            for corner, score in zip(corners, scores, strict=True):
                sums.add(score, corner)
        yield from _inside(sums.probabilities(following - first), first, before, image.shape)
        if following < sides[0]:
            sums.drop(following - first)


class _RollingSums:
    """Weighted scores of windows, and the weights, summed over the slices that windows still reach.

    Args:
        window, weighting: See `window_weights`.
        shape: (slices, H, W): what the windows between two calls of `drop` reach.
    """

    def __init__(self, window: Sequence[int], weighting: Weighting, shape: Sequence[int], device: torch.device) -> None:
        self.weights, self.constant = window_weights(tuple(window), weighting, device), weighting == "constant"
        self.total, self.covered = torch.empty(0), torch.zeros(*shape, device=device)

    def add(self, score: Tensor, corner: Sequence[int]) -> None:
        """Add a window's scores (classes, d, h, w), its first voxel at `corner`."""
        if not len(self.total):
            slices, *plane = self.covered.shape
            self.total = torch.zeros(slices, len(score), *plane, device=score.device)
        depth, *inplane = _place(corner, self.weights.shape)
        self.total[depth, :, *inplane] += (score if self.constant else score.mul_(self.weights)).transpose(0, 1)
        self.covered[depth, *inplane] += self.weights

    def probabilities(self, count: int) -> Tensor:
        """Return the softmax of the first `count` slices' mean scores, (classes, count, H, W); `drop` them next."""
        return self.total[:count].div_(self.covered[:count, None]).softmax(dim=1).transpose(0, 1)

    def drop(self, count: int) -> None:
        """Forget the first `count` slices: the next ones take their place."""
        for sums in (self.total, self.covered):
            for index in range(len(sums)):
                sums[index] = sums[index + count] if index + count < len(sums) else 0


def count_windows(shape: Sequence[int], window: Sequence[int], overlap: float) -> int:
    """Return how many windows `predict_slabs` sees of a volume of this shape."""
    axes = zip(shape, window, strict=True)
    return math.prod(len(window_starts(max(full, side), side, overlap)) for full, side in axes)


def window_starts(full: int, side: int, overlap: float) -> list[int]:
    """Return where windows start along an axis: at even steps, the last one flush with the end."""
    step = max(1, int(side * (1 - overlap)))
    count = -(-(full - side) // step) + 1
    return [min(index * step, full - side) for index in range(count)]


@lru_cache(maxsize=1)
def window_weights(window: tuple[int, ...], weighting: Weighting, device: torch.device) -> Tensor:
    """Return the weight of a window's voxels (D, H, W): one, or a Gaussian of an eighth of each side; not to change."""
    if weighting == "constant":
        return torch.ones(*window, device=device)
    places = [torch.arange(side) - (side - 1) / 2 for side in window]
    bells = [torch.exp(-0.5 * (place / (SIGMA * side)) ** 2) for place, side in zip(places, window, strict=True)]
    return torch.einsum("d,h,w->dhw", *bells).clamp(min=LEAST).to(device)


def _groups(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _place(corner: Sequence[int], window: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(low, low + side) for low, side in zip(corner, window, strict=True))


def _cut(
    image: NDArray[np.uint16],
    corner: Sequence[int],
    before: Sequence[int],
    window: Sequence[int],
    device: torch.device,
) -> Tensor:
    """Return a part of the padded volume on a device, in [-1, 1]."""
    lows = [start - pad for start, pad in zip(corner, before, strict=True)]
    inside = tuple(slice(max(0, low), low + side) for low, side in zip(lows, window, strict=True))
    patch = _as_float32(image[inside], device).mul_(2 / 65535).sub_(1)
    padding = [
        amount
        for low, side, full in zip(lows[::-1], window[::-1], patch.shape[::-1], strict=True)
        for amount in (max(0, -low), side - full - max(0, -low))
    ]
    return F.pad(patch, padding, value=-1.0) if any(padding) else patch


def _as_float32(stored: NDArray[np.uint16], device: torch.device) -> Tensor:
    """Return stored intensities on a device; a GPU turns them into float32 itself, of half the bytes."""
    if device.type == "cpu":
        return torch.from_numpy(stored.astype(np.float32))
    return torch.from_numpy(np.array(stored)).to(device).to(torch.float32)


def _inside(slab: Tensor, first: int, before: Sequence[int], shape: Sequence[int]) -> Iterator[Tensor]:
    """Yield the part of a slab of the padded volume that lies in the volume, if any."""
    low, high = max(first, before[0]), min(first + slab.shape[1], before[0] + shape[0])
    if low < high:
        rows, columns = (slice(pad, pad + full) for pad, full in zip(before[1:], shape[1:], strict=True))
        yield slab[:, low - first : high - first, rows, columns]
