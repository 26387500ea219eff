"""Memory formats of features (N, C, D, H, W): contiguous and channels-last.

On CPUs convolutions want channels-last, quartet attention contiguous, and an operation on mixed formats is a slow one.
"""

import torch
from torch import Tensor, channels_last_3d, contiguous_format
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable


def memory_format_of(x: Tensor) -> torch.memory_format:
    """Return channels-last if a feature lies so and in no other format, else contiguous."""
    only_channels_last = x.is_contiguous(memory_format=channels_last_3d) and not x.is_contiguous()
    return channels_last_3d if only_channels_last else contiguous_format


def laid(x: Tensor, memory_format: torch.memory_format) -> Tensor:
    """Return `x.contiguous(memory_format=memory_format)`, for finite x and outside of autocast.

    CPUs copy from channels-last value by value; a product with the identity, as exact, takes a fraction of the time
    where channels are few, and no more than the copy where they are many and voxels few. On a GPU the copy reads all
    voxels once per channel, so bfloat16 takes the product there too (not measured); float32 could be rounded to TF32.
    """
    transposes = memory_format == contiguous_format and memory_format_of(x) == channels_last_3d
    exact = x.device.type == "cpu" or x.dtype == torch.bfloat16
    if not (transposes and exact):
        return x.contiguous(memory_format=memory_format)
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return torch.matmul(identity, x.permute(0, 2, 3, 4, 1).flatten(1, 3).transpose(1, 2)).view(x.shape)


class Relaid(Function):
    """`laid(x, after)`, and its gradient laid `before`."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, before: torch.memory_format, after: torch.memory_format) -> Tensor:
        ctx.before = before
        return laid(x, after)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return laid(gradient, ctx.before), None, None
