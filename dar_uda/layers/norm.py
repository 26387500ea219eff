"""Norm and LeakyReLU in one operation, for GPUs: features in their precision, statistics in float32 at least.

torch's own group norm turns bfloat16 into float32 under CUDA's autocast, and launches one block per group of a sample:
4 for the largest features of a batch of 2. The reductions here spread over the whole card.
"""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.chain import of_channels
from dar_uda.layers.kernels import kernels_for
from dar_uda.training import cuda_options


def norm_and_activation(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    slope: float | None = None,
    shift: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `NormAndActivation` returns, also under autocast, of x plus a shift of each channel, (C,)."""
    with torch.autocast(x.device.type, enabled=False):
        chosen = cuda_options.on_cuda(x) and cuda_options.made().norm_kernels
        kernels = kernels_for(x, _load_kernels) if chosen else None
        if kernels:
            return kernels.NormAndActivation.apply(x, weight, bias, groups, eps, slope, shift)
        x = x if shift is None else x + of_channels(shift, x)
        return NormAndActivation.apply(x, weight, bias, groups, eps, slope)


def _load_kernels() -> ModuleType:
    from dar_uda.layers import norm_kernels

    return norm_kernels


class NormAndActivation(Function):
    """`F.leaky_relu(F.group_norm(x, groups, weight, bias, eps), slope)`; without a slope the norm alone.

    Returns mean and variance of the groups as well, (N, groups), through which no gradient flows.

    Keeps x and y, which the next convolution keeps as well; the sign of y says where the activation was linear.

    Shape:
        (N, C, ...) to the same, in the precision and memory format of x; weight and bias (C,), or (N, C): those of
        every sample.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, slope: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = _moments(x, groups)
        rstd = torch.rsqrt(variance + eps)
        scale, shift = _scale_and_shift(mean, rstd, weight, bias)
        y = _affine(x, scale, shift)
        if slope is not None:
            F.leaky_relu_(y, slope)
        ctx.slope = slope
        ctx.save_for_backward(x, None if slope is None else y, mean, rstd, weight)
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)  # else each backward fills their gradients with zeros
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, y, mean, rstd, weight = ctx.saved_tensors
        if ctx.slope is not None:
            gradient = torch.ops.aten.leaky_relu_backward(gradient, y, ctx.slope, True)
        axes, precision = tuple(range(2, x.ndim)), mean.dtype
        total = gradient.sum(axes, dtype=precision)
        product = (gradient * x).sum(axes, dtype=precision)
        scale, slope, shift, of_weight, of_bias = _coefficients(total, product, mean, rstd, weight, _voxels(x))
        of_x = _affine(x, slope, shift)
        torch.addcmul(of_x, gradient, _over_features(scale, x), out=of_x)
        return of_x, of_weight, of_bias, None, None, None


def _moments(x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance of every group, (N, groups), from those of its channels: equal for any memory format."""
    axes = tuple(range(2, x.ndim))
    if x.dtype.itemsize >= torch.float32.itemsize:
        variance, mean = torch.var_mean(x, axes, correction=0)
    else:  # torch.var_mean rounds both to the precision of x
        mean = x.sum(axes, dtype=torch.float32) / _voxels(x)
        square = torch.linalg.vector_norm(x, 2, axes, dtype=torch.float32).square() / _voxels(x)
        variance = (square - mean.square()).clamp_(min=0)
    return _joined(mean, variance, groups)


def _joined(mean: Tensor, variance: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance of groups of channels as large as each other.

    Shape:
        (N, C) twice to (N, groups) twice.
    """
    mean, variance = mean.unflatten(1, (groups, -1)), variance.unflatten(1, (groups, -1))
    between, of_groups = torch.var_mean(mean, 2, correction=0)
    return of_groups, variance.mean(2) + between


def _scale_and_shift(mean: Tensor, rstd: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return a and b, (N, C), of the norm a x + b, from the statistics (N, groups)."""
    scale = _per_channel(rstd, weight) * weight
    return scale, bias - _per_channel(mean, weight) * scale


def _coefficients(
    total: Tensor, product: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, count: int
) -> tuple[Tensor, ...]:
    """Return a, b and c, (N, C), of the norm's gradient a g + b x + c, and the gradients of weight and bias.

    With h = (x - mean) rstd it is rstd (w g - mean(w g) - h mean(w g h)), the means over the group.

    Args:
        total: Sum of the gradient g over the voxels, (N, C).
        product: Sum of g x, (N, C).
        count: Number of voxels.
    """
    groups = mean.shape[1]
    channel_mean, channel_rstd = _per_channel(mean, weight), _per_channel(rstd, weight)
    with_h = (product - channel_mean * total) * channel_rstd
    mean_g, mean_gh = ((weight * t).unflatten(1, (groups, -1)).mean(2) / count for t in (total, with_h))
    slope = -rstd.square() * mean_gh
    shift = -rstd * mean_g - slope * mean
    shared = weight.ndim == 1
    of_weight, of_bias = ((t.sum(0) if shared else t).to(weight.dtype) for t in (with_h, total))
    return channel_rstd * weight, _per_channel(slope, weight), _per_channel(shift, weight), of_weight, of_bias


def _per_channel(of_groups: Tensor, weight: Tensor) -> Tensor:
    """Return (N, C) of (N, groups)."""
    return of_groups.unsqueeze(2).expand(-1, -1, weight.shape[-1] // of_groups.shape[1]).flatten(1)


def _voxels(x: Tensor) -> int:
    return x.numel() // (x.shape[0] * x.shape[1])


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return x times `scale` plus `shift`, (N, C) each, computed in their precision and rounded once to that of x."""
    return torch.addcmul(_over_features(shift, x), x, _over_features(scale, x), out=torch.empty_like(x))


def _over_features(of_channels: Tensor, x: Tensor) -> Tensor:
    """Return (N, C) as (N, C, 1, ...), with as many axes as x."""
    return of_channels.view(*of_channels.shape, *(1 for _ in range(2, x.ndim)))
