"""The three operations of quartet attention, each with a backward that keeps and computes no more than it needs.

Equal to the plain operations in their docstrings, values and gradients; none can be differentiated twice. The three
functions take the forms for a CPU or those that `dar_uda.training.cuda_options` names for a GPU.
"""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.kernels import kernels_for
from dar_uda.segmentation.map_blocks import convolve_in_blocks
from dar_uda.training import cuda_options

KERNEL = 7
HALF = KERNEL // 2
CHANNELS_LAST = torch.channels_last
INTEGERS_OF_BFLOAT16 = 256
"""Up to here bfloat16 represents every one."""


def max_and_mean(x: Tensor) -> tuple[Tensor, ...]:
    """Return x, for what else depends on it, and maximum and mean along each axis after the first, see `MaxAndMean`."""
    if not cuda_options.on_cuda(x):
        return x, *MaxAndMean.apply(x)
    if kernels := _kernels_for(x):
        return kernels.MaxAndMean.apply(x)
    if cuda_options.made().quartet_maxima == "argmax":
        return ArgmaxAndMean.apply(x)
    return x, *MaxAndMean.apply(x)


def convolve_map(x: Tensor, weight: Tensor) -> Tensor:
    """Return the convolution of a quartet map in its precision, see `MapConvolution`."""
    form = cuda_options.made().map_convolution if cuda_options.on_cuda(x) else "slices"
    if form == "blocks":
        return convolve_in_blocks(x, weight)
    if form == "conv3d":
        return F.conv3d(x, weight.to(x.dtype), padding=HALF)
    return MapConvolution.apply(x, weight.to(x.dtype))


def weigh_by_mean_map(x: Tensor, *maps: Tensor) -> Tensor:
    """Return x weighed by the mean of four maps, see `WeighByMeanMap`."""
    if cuda_options.on_cuda(x) and (kernels := _kernels_for(x)):
        return kernels.WeighByMeanMap.apply(x, *maps)
    return WeighByMeanMap.apply(x, *maps)


def _kernels_for(x: Tensor) -> ModuleType | None:
    chosen = cuda_options.made().quartet_kernels
    return kernels_for(x, _load_kernels) if chosen else None


def _load_kernels() -> ModuleType:
    from dar_uda.segmentation import quartet_kernels

    return quartet_kernels


class MaxAndMean(Function):
    """For each axis after the first: `torch.stack([x.max(axis).values, x.mean(axis)], dim=1)`.

    The gradient of the maximum goes to the first of the voxels that share it.

    Shape:
        (N, A, B, C, D) to (N, 2, B, C, D), (N, 2, A, C, D), (N, 2, A, B, D), (N, 2, A, B, C).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> tuple[Tensor, ...]:
        pooled = [torch.stack([x.amax(axis), x.sum(axis) / x.shape[axis]], dim=1) for axis in range(1, x.ndim)]
        ctx.save_for_backward(x, *pooled)
        return tuple(pooled)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        x, *pooled = ctx.saved_tensors
        shares = [(g[:, 1] / x.shape[axis]).unsqueeze(axis) for axis, g in enumerate(gradients, start=1)]
        total = _broadcast_sum(shares, like=x)
        first = torch.empty_like(x, dtype=_counting(x))
        for axis, (p, g) in enumerate(zip(pooled, gradients, strict=True), start=1):
            _mark_first(x, p[:, 0].unsqueeze(axis), axis, out=first)
            total.addcmul_(first.to(x.dtype), g[:, 0].unsqueeze(axis))
        return total


class ArgmaxAndMean(Function):
    """x itself and `MaxAndMean` of it, the places of the maxima kept from the forward.

    What else depends on x takes it from here, so that its gradient arrives in the backward and needs no sum of its own.
    No side has more than the 32,767 voxels that int16 counts.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> tuple[Tensor, ...]:
        pooled, places = [], []
        for axis in range(1, x.ndim):
            maximum, place = x.max(axis)
            pooled.append(torch.stack([maximum, x.mean(axis)], dim=1))
            places.append(place.to(torch.int16))
        ctx.save_for_backward(*places)
        return x.view_as(x), *pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, of_x: Tensor, *gradients: Tensor) -> Tensor:
        maxima, means = zip(*(gradient.unbind(1) for gradient in gradients), strict=True)
        shares = [(g / of_x.shape[axis]).unsqueeze(axis) for axis, g in enumerate(means, start=1)]
        total = _broadcast_sum([of_x, *shares], like=of_x)
        for axis, (place, g) in enumerate(zip(ctx.saved_tensors, maxima, strict=True), start=1):
            total.scatter_add_(axis, place.long().unsqueeze(axis), g.unsqueeze(axis))
        return total


class MapConvolution(Function):
    """`F.conv3d(x, weight, padding=3)` for two channels to one and a 7 x 7 x 7 kernel.

    As a 2D convolution whose output channels are the depth taps, and a sum of those, each shifted by its tap: 3D
    kernels are not made for so few channels. So is the gradient of x, from one channel to two.

    Shape:
        (N, 2, A, B, C), (1, 2, 7, 7, 7) to (N, 1, A, B, C).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight.transpose(0, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        taps = gradient.new_zeros(len(x), x.shape[2], KERNEL, *x.shape[3:])
        for tap in range(KERNEL):
            here, there = _shift(x.shape[2], tap)
            taps[:, there, tap] = gradient[:, 0, here]
        taps = taps.flatten(0, 1).contiguous(memory_format=CHANNELS_LAST)
        of_weight = torch.nn.grad.conv2d_weight(_slices(x), (KERNEL, 2, KERNEL, KERNEL), taps, padding=HALF)
        return _convolve(gradient, weight.flip(2, 3, 4)), of_weight.transpose(0, 1)[None]


class WeighByMeanMap(Function):
    """`x * (a + b + c + d) / 4` for four maps, each of extent 1 along another axis.

    The mean map, as large as x, is computed again in the backward instead of kept.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, *maps: Tensor) -> Tensor:
        ctx.save_for_backward(x, *maps)
        return _broadcast_sum([m.to(x.dtype) / len(maps) for m in maps], like=x).mul_(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, ...]:
        x, *maps = ctx.saved_tensors
        product = gradient * x
        of_maps = [product.sum(axis, keepdim=True).to(m.dtype) / len(maps) for axis, m in enumerate(maps, start=1)]
        return _broadcast_sum([m.to(x.dtype) / len(maps) for m in maps], like=x).mul_(gradient), *of_maps


def _counting(x: Tensor) -> torch.dtype:
    """Return a precision, that of x if possible, in which every place along every axis of x is a number."""
    if max(x.shape) <= INTEGERS_OF_BFLOAT16:
        return x.dtype
    return torch.promote_types(x.dtype, torch.float32)


def _mark_first(x: Tensor, values: Tensor, axis: int, out: Tensor) -> None:
    """Write one where x along an axis first equals `values` (extent 1 there), elsewhere zero.

    `x.argmax(axis)` would name the place, but CPUs do not vectorize it.
    """
    side = x.shape[axis]
    ranks = torch.arange(side, 0, -1, dtype=out.dtype, device=x.device)
    torch.eq(x, values, out=out).mul_(ranks.view(-1, *(1 for _ in range(axis + 1, x.ndim))))
    torch.eq(out, out.amax(axis, keepdim=True), out=out)


def _broadcast_sum(parts: list[Tensor], like: Tensor) -> Tensor:
    """Return the sum of at least two tensors that broadcast to the shape of another, laid out in memory as that is."""
    total = torch.add(parts[0], parts[1], out=torch.empty_like(like))
    for part in parts[2:]:
        total += part
    return total


def _slices(volume: Tensor) -> Tensor:
    """Return (N, C, D, H, W) as a batch of slices (N D, C, H, W), channels last in memory."""
    return volume.transpose(1, 2).flatten(0, 1).contiguous(memory_format=CHANNELS_LAST)


def _shift(depth: int, tap: int) -> tuple[slice, slice]:
    """Return the output slices that a depth tap reaches, and the input slices that it reads for them."""
    offset = tap - HALF
    first, end = min(max(0, -offset), depth), max(0, min(depth, depth - offset))
    return slice(first, max(first, end)), slice(first + offset, max(first, end) + offset)


def _convolve(x: Tensor, weight: Tensor) -> Tensor:
    """Return the 3D convolution of x with `weight` (inputs, outputs, 7, 7, 7), padded by 3."""
    depth, inputs, outputs = x.shape[2], *weight.shape[:2]
    kernels = weight.permute(2, 1, 0, 3, 4).reshape(KERNEL * outputs, inputs, KERNEL, KERNEL)
    planes = F.conv2d(_slices(x), kernels.contiguous(memory_format=CHANNELS_LAST), padding=HALF)
    taps = planes.unflatten(1, (KERNEL, outputs)).unflatten(0, (len(x), depth))
    total = taps[:, :, HALF].clone(memory_format=torch.contiguous_format)
    for tap in range(KERNEL):
        if tap != HALF:
            here, there = _shift(depth, tap)
            total[:, here] += taps[:, there, tap]
    return total.transpose(1, 2)
