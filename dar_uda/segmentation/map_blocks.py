"""The convolution of a quartet map with blocks of voxels as channels: the form of it that fills tensor cores.

In blocks of 4 x 4 x 4 voxels, a map of two channels has 128. A kernel of 7 x 7 x 7 reaches from a voxel into the next
block and no further, so it becomes one of 3 x 3 x 3 blocks, from 128 channels to the 64 voxels of a block. That is five
times the products, but of the size that matrix units multiply, and one copy of the map each way.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

BLOCK = 4
"""Voxels along each axis of a block: at least half the kernel, which then reaches the next block only."""


def convolve_in_blocks(x: Tensor, weight: Tensor) -> Tensor:
    """Return `F.conv3d(x, weight, padding=3)` for a kernel of 7 x 7 x 7 and one output channel, in the precision of x.

    The gradient of the weight is a sum in float32 at least, so pass the weight in its own precision.

    Shape:
        (N, C, D, H, W), (1, C, 7, 7, 7) to (N, 1, D, H, W).
    """
    depth, height, width = x.shape[2:]
    missing = [amount for side in (width, height, depth) for amount in (0, -side % BLOCK)]
    blocked = _blocked(F.pad(x, missing) if any(missing) else x)
    convolved = _unblocked(F.conv3d(blocked, _KernelOfBlocks.apply(weight, x.dtype), padding=1), channels=1)
    return convolved[:, :, :depth, :height, :width]


class _KernelOfBlocks(Function):
    """The kernel (64, 64 C, 3, 3, 3) of blocks for one of voxels, (1, C, 7, 7, 7): a row per voxel of a block.

    In the precision given; it repeats the weights and rounds nothing else.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.taps = weight.shape[-1]
        shape = BLOCK, BLOCK, BLOCK, *weight.shape[:2], 3 * BLOCK, 3 * BLOCK, 3 * BLOCK
        rows = torch.zeros(shape, dtype=dtype, device=weight.device)
        _diagonals(rows, ctx.taps).copy_(weight)
        return _blocked(rows.flatten(0, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        rows = _unblocked(gradient, channels=gradient.shape[1] // BLOCK**3)
        rows = rows.view(BLOCK, BLOCK, BLOCK, 1, *rows.shape[1:])
        precision = torch.promote_types(gradient.dtype, torch.float32)
        return _diagonals(rows, ctx.taps).sum((0, 1, 2), dtype=precision), None


def _diagonals(rows: Tensor, taps: int) -> Tensor:
    """Return a view of the places at which a kernel lies for each voxel of a block.

    Along each axis the kernel of voxel o begins at place o + 4 - 3 of the three blocks that it may reach.

    Shape:
        (4, 4, 4, 1, C, 12, 12, 12), contiguous, to (4, 4, 4, 1, C, taps, taps, taps).
    """
    first = BLOCK - taps // 2
    begun = rows[..., first:, first:, first:]
    steps = begun.stride()
    along = [voxel + place for voxel, place in zip(steps[:3], steps[5:], strict=True)]
    return begun.as_strided((*rows.shape[:5], taps, taps, taps), (*along, *steps[3:]))


def _blocked(x: Tensor) -> Tensor:
    """Return (N, C, 4 D, 4 H, 4 W) as (N, 64 C, D, H, W), channels-last in memory."""
    samples, channels, *sides = x.shape
    depth, height, width = (side // BLOCK for side in sides)
    cut = x.view(samples, channels, depth, BLOCK, height, BLOCK, width, BLOCK)
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).permute(0, 4, 1, 2, 3)


def _unblocked(x: Tensor, channels: int) -> Tensor:
    """Return (N, 64 C, D, H, W) as (N, C, 4 D, 4 H, 4 W), contiguous in memory."""
    cut = x.permute(0, 2, 3, 4, 1).unflatten(4, (channels, BLOCK, BLOCK, BLOCK)).permute(0, 4, 1, 5, 2, 6, 3, 7)
    return cut.flatten(6, 7).flatten(4, 5).flatten(2, 3)
