"""3D convolutions whose bfloat16 weight gradients are right, and fast, also on CPUs.

On CPUs with AMX, torch 2.13 (oneDNN) computes the weight gradient of a 3D convolution in bfloat16 wrongly, up to NaN
and crashes, as soon as a slice has more than some 1,500 pixels; its 2D convolutions are right. So that gradient is
taken of a 2D convolution over the slices, with the depth taps as channels. Everything else is torch's.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

PIXELS_SAFE_IN_3D = 1024
PIXELS_AT_ONCE = 2**18
"""Slices are taken together up to this many pixels of the output: more would need more memory, not less time."""


class Conv3d(nn.Conv3d):
    """`nn.Conv3d` with an odd kernel, padded by half of it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__(inputs, outputs, kernel, tuple(stride), padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        if not _is_bfloat16_on_cpu(x):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return _Convolution.apply(*(t.bfloat16() for t in (x, self.weight, self.bias)), self.stride)


class UpConv3d(nn.ConvTranspose3d):
    """Transposed convolution, kernel 3, to exactly `stride` times the size."""

    def __init__(self, channels: int, stride: Sequence[int]) -> None:
        super().__init__(
            channels, channels, 3, tuple(stride), padding=1, output_padding=tuple(step - 1 for step in stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        if not _is_bfloat16_on_cpu(x):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return _UpConvolution.apply(*(t.bfloat16() for t in (x, self.weight, self.bias)), self.stride)


def _is_bfloat16_on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.is_autocast_enabled("cpu")


class _Convolution(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, stride: Sequence[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv3d(x, weight, bias, stride, padding=weight.shape[2] // 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.nn.grad.conv3d_input(x.shape, weight, gradient, ctx.stride, weight.shape[2] // 2)
        of_weight = weight_gradient(x, gradient, weight.shape, ctx.stride)
        return of_x, of_weight, gradient.sum((0, 2, 3, 4)), None


class _UpConvolution(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, stride: Sequence[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv_transpose3d(x, weight, bias, stride, 1, [step - 1 for step in stride])

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_weight = weight_gradient(gradient, x, weight.shape, ctx.stride)
        return F.conv3d(gradient, weight, None, ctx.stride, 1), of_weight, gradient.sum((0, 2, 3, 4)), None


def weight_gradient(x: Tensor, gradient: Tensor, shape: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Return the gradient of the weights (O, I, k, k, k) of a 3D convolution, padded by half the kernel.

    Args:
        x: Its input, (N, I, D, H, W).
        gradient: That of its output, (N, O, D / s0, H / s1, W / s2).
    """
    kernel = shape[2]
    if kernel == 1 or x.shape[3] * x.shape[4] <= PIXELS_SAFE_IN_3D:
        return torch.nn.grad.conv3d_weight(x, shape, gradient, stride, kernel // 2)
    depth, total, accumulator = gradient.shape[2], 0, torch.promote_types(x.dtype, torch.float32)
    some = max(1, PIXELS_AT_ONCE // (len(x) * gradient.shape[3] * gradient.shape[4]))
    for first in range(0, depth, some):
        part = slice(first, min(first + some, depth))
        total = total + _weight_gradient_of_slices(x, gradient, part, shape, stride).to(accumulator)
    return total.to(x.dtype)


def _weight_gradient_of_slices(
    x: Tensor, gradient: Tensor, part: slice, shape: Sequence[int], stride: Sequence[int]
) -> Tensor:
    """Return what some slices contribute: of the output where the depth taps of x are the channels, else of x."""
    outputs, inputs, kernel = shape[:3]
    if stride[0] > 1 or inputs < outputs:
        taps, slices = _depth_taps(x, kernel, stride[0], part, 1), _slices(gradient[:, :, part])
        flat = (outputs, kernel * inputs, kernel, kernel)
        found = torch.nn.grad.conv2d_weight(taps, flat, slices, stride[1:], kernel // 2)
        return found.unflatten(1, (kernel, inputs)).transpose(1, 2)
    taps, slices = _depth_taps(gradient, kernel, 1, part, -1), _slices(x[:, :, part])
    flat = (kernel * outputs, inputs, kernel, kernel)
    found = torch.nn.grad.conv2d_weight(slices, flat, taps, stride[1:], kernel // 2)
    return found.unflatten(0, (kernel, outputs)).permute(1, 2, 0, 3, 4)


def _slices(volume: Tensor) -> Tensor:
    """Return (N, C, D, H, W) as a batch of slices (N D, C, H, W)."""
    return volume.transpose(1, 2).flatten(0, 1)


def _depth_taps(volume: Tensor, kernel: int, step: int, part: slice, sense: int) -> Tensor:
    """Return, for some slices, the neighbours that the kernel's depth taps meet, as channels.

    Args:
        volume: (N, C, D, H, W).
        step: Slice number i is at i * step.
        part: Numbers of the slices.
        sense: 1 for the taps' own order, -1 for the opposite one.

    Returns:
        (N slices, kernel C, H, W), zero where a neighbour lies outside.
    """
    batch, channels, depth, *plane = volume.shape
    taps = volume.new_empty(batch, part.stop - part.start, kernel, channels, *plane)
    for tap in range(kernel):
        for place, number in enumerate(range(part.start, part.stop)):
            neighbour = number * step + sense * (tap - kernel // 2)
            taps[:, place, tap] = volume[:, :, neighbour] if 0 <= neighbour < depth else 0
    return taps.flatten(2, 3).flatten(0, 1)
