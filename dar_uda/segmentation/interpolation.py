"""Linear interpolation of scores to a larger size."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.training import cuda_options

MODES = {4: "bilinear", 5: "trilinear"}


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return `F.interpolate(x, size, mode)`, bilinear for images and trilinear for volumes, in the precision of x.

    On a GPU torch computes it in float32 under autocast, and its gradient by atomic sums in the precision of x: a
    coarse voxel adds up thousands of them, each rounded, in an order that differs between runs. There each axis is a
    matrix product instead, which sums in float32 and in one order.

    Shape:
        (N, C, ...) to (N, C, *size).
    """
    if not cuda_options.on_cuda(x):
        return F.interpolate(x, size=tuple(size), mode=MODES[x.ndim], align_corners=False)
    with torch.autocast(x.device.type, enabled=False):
        for axis, side in enumerate(size, start=2):
            if x.shape[axis] != side:
                x = _resized_along(x, axis, side)
    return x


def _resized_along(x: Tensor, axis: int, side: int) -> Tensor:
    matrix = _weights(x, x.shape[axis], side)
    if axis == x.ndim - 1:
        return torch.matmul(x, matrix)
    behind = x.shape[axis + 1 :]
    return torch.matmul(matrix.t(), x.flatten(axis + 1)).unflatten(-1, behind)


def _weights(x: Tensor, here: int, there: int) -> Tensor:
    """Return the matrix (here, there) whose columns weigh the old places for each new one, in the precision of x.

    For a factor that is a power of two below 128, as those of the networks, bfloat16 represents its values exactly.
    """
    identity = torch.eye(here, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
    return F.interpolate(identity.unsqueeze(0), size=there, mode="linear", align_corners=False).squeeze(0).to(x.dtype)
