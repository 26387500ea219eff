"""3D convolutions as CPUs take them best: channels-last, and in bfloat16 with weight gradients that are right.

On CPUs with AMX, torch 2.13 (oneDNN) computes the weight gradient of a 3D convolution in bfloat16 wrongly, up to NaN
and crashes, as soon as a slice has more than some 1,500 pixels; its 2D convolutions are right. So that gradient is
taken of 2D convolutions over the slices, one per depth tap. Everything else is torch's.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, channels_last_3d, contiguous_format, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.chain import Convolution
from dar_uda.segmentation.memory_format import laid
from dar_uda.training import cuda_options

FILLED = 8
"""Channels that cuDNN's kernels for channels-last features in bfloat16 read at once."""


class Conv3d(nn.Conv3d, Convolution):
    """`nn.Conv3d` with an odd kernel, padded by half of it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__(inputs, outputs, kernel, tuple(stride), padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        if cuda_options.on_cuda(x):
            return self._on_cuda(x, self.bias)
        if not torch.is_autocast_enabled("cpu"):
            return laid(self._conv_forward(*_channels_last(x, self.weight), self.bias), channels_last_3d)
        with torch.autocast("cpu", enabled=False):
            return _Convolution.apply(*_reduced(x, self.weight, self.bias), self.stride)

    def without_bias(self, x: Tensor) -> Tensor:
        return self._on_cuda(x, None)

    def _on_cuda(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return _laid_for_cuda(self._conv_forward(_laid_for_cuda(x), self.weight, bias))


class UpConv3d(nn.ConvTranspose3d):
    """Transposed convolution, kernel 3, to exactly `stride` times the size."""

    def __init__(self, channels: int, stride: Sequence[int]) -> None:
        super().__init__(
            channels, channels, 3, tuple(stride), padding=1, output_padding=tuple(step - 1 for step in stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        if cuda_options.on_cuda(x):
            return _laid_for_cuda(super().forward(_laid_for_cuda(x)))
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return _UpConvolution.apply(*_reduced(x, self.weight, self.bias), self.stride)


def _laid_for_cuda(x: Tensor) -> Tensor:
    """Return a feature as a GPU's other operations get it: channels-last if that is chosen and its channels fill it.

    cuDNN multiplies channels-last features as they lie where their channels are a multiple of 8. Images, gates and
    scores have fewer, and the loss reads scores class by class: they are contiguous, and cuDNN turns them itself.
    """
    if not cuda_options.made().channels_last:
        return x
    return x.contiguous(memory_format=contiguous_format if x.shape[1] % FILLED else channels_last_3d)


def _channels_last(*tensors: Tensor) -> Iterator[Tensor]:
    return (laid(t, channels_last_3d) for t in tensors)


def _reduced(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    """Return them in bfloat16, the first two channels-last."""
    return *_channels_last(x.bfloat16(), weight.bfloat16()), bias.bfloat16()


class _Convolution(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, stride: Sequence[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return laid(F.conv3d(x, weight, bias, stride, padding=weight.shape[2] // 2), channels_last_3d)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = laid(gradient, channels_last_3d)
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
        gradient = laid(gradient, channels_last_3d)
        of_weight = weight_gradient(gradient, x, weight.shape, ctx.stride)
        return F.conv3d(gradient, weight, None, ctx.stride, 1), of_weight, gradient.sum((0, 2, 3, 4)), None


def weight_gradient(x: Tensor, gradient: Tensor, shape: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Return the gradient of the weights (O, I, k, k, k) of a 3D convolution, padded by half the kernel.

    A depth tap multiplies every slice of the output with one slice of the input: a 2D convolution. Channels-last and
    with stride 1 along the depth, the slices need no copy.

    Args:
        x: Its input, (N, I, D, H, W).
        gradient: That of its output, (N, O, D / s0, H / s1, W / s2).
    """
    kernel, flat, accumulator = shape[2], (*shape[:2], *shape[3:]), torch.promote_types(x.dtype, torch.float32)
    taps = []
    for tap in range(kernel):
        here, there = _met(tap - kernel // 2, x.shape[2], gradient.shape[2], stride[0])
        of_images = [
            torch.nn.grad.conv2d_weight(slices, flat, of_slices, stride[1:], kernel // 2).to(accumulator)
            for slices, of_slices in zip(_slices(x, there), _slices(gradient, here), strict=True)
        ]
        taps.append(sum(of_images))
    return torch.stack(taps, dim=2).to(x.dtype)


def _slices(volumes: Tensor, some: slice) -> Tensor:
    """Return some slices of (N, C, D, H, W) as (N, slices, C, H, W)."""
    return volumes[:, :, some].transpose(1, 2)


def _met(offset: int, depth: int, reached: int, step: int) -> tuple[slice, slice]:
    """Return the output slices for which a depth tap meets an input slice, and those input slices."""
    first = max(0, -(offset // step))
    end = max(first, min(reached, (depth - 1 - offset) // step + 1))
    low = first * step + offset
    return slice(first, end), slice(low, low + (end - first) * step, step)
