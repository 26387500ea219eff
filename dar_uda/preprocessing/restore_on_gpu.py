"""Classes on the scan's own grid, found on the GPU where the probabilities lie: the label map alone comes back."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.grid import Grid
from dar_uda.data.probabilities import LEVELS

VOXELS = 2**22
"""Of the scan's grid at a time: each takes some 70 bytes of the GPU's memory, for five classes."""


def classes_on(
    part: Grid, probabilities: Tensor, affine: NDArray[np.float64], stored: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Return the likeliest class on a grid, and note the probabilities there.

    Args:
        probabilities: (classes, D, H, W), on any device.
        affine: Of their grid, index (width, height, depth) to mm.
        stored: See `restore_classes`; ties are not settled.
    """
    step = np.linalg.solve(affine, part.affine)
    classes = np.empty(part.shape, np.uint8)
    count = max(1, VOXELS // math.prod(part.shape[1:]))
    for start in range(0, part.shape[0], count):
        planes = slice(start, min(start + count, part.shape[0]))
        indices = [np.arange(planes.start, planes.stop), *map(np.arange, part.shape[1:])]
        moved = _interpolated(probabilities, step, indices)
        classes[planes] = moved.argmax(dim=0).to(torch.uint8).cpu().numpy()
        if stored is not None:
            stored[planes] = moved.mul_(LEVELS).round_().to(torch.uint8).movedim(0, -1).cpu().numpy()
    return classes


def _interpolated(probabilities: Tensor, step: NDArray[np.float64], indices: list[NDArray[np.intp]]) -> Tensor:
    """Return (classes, *lengths of indices): linear between voxels, background with certainty beyond the outer faces.

    Args:
        step: (4, 4), the scan's index to index (width, height, depth) of the probabilities.
        indices: Those of the scan's voxels along each of its axes.
    """
    places, inside = [], None
    for row, side in zip(step, reversed(probabilities.shape[1:]), strict=False):
        along = [row[axis] * index for axis, index in enumerate(indices)]
        along[0] = along[0] + row[3]
        i, j, k = (torch.as_tensor(values, dtype=torch.float32, device=probabilities.device) for values in along)
        place = i[:, None, None] + j[:, None] + k
        here = (place >= -0.5) & (place <= side - 0.5)
        inside = here if inside is None else inside & here
        places.append((2 * place + 1) / side - 1)
    grid = torch.stack(places, dim=-1)[None]
    moved = F.grid_sample(probabilities[None], grid, "bilinear", padding_mode="border", align_corners=False)[0]
    moved *= inside
    moved[0] += ~inside
    return moved
