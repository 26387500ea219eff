"""Norm and LeakyReLU as Triton kernels: see `norm.NormAndActivation` for what they compute.

Three launches forward, three backward. A feature is read twice and written once in the forward, read twice together
with the gradient and written once in the backward. Sums are in float32 and in one order: results are the same in every
run. `TRITON_INTERPRET=1` runs all of it on a CPU.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.kernels import on_its_device

TILE = 4096
"""Values that a program has in its registers."""
WARPS = 8
PROGRAMS = 1024
"""About how many share the work on a feature."""
CHANNELS = (16, 64)
"""Those of a program, few or many, where channels lie side by side in memory: each number is compiled on its own."""
PARTS = 256
"""Parts of a sample that are joined at once."""


class NormAndActivation(Function):
    """See `norm.NormAndActivation`; keeps x alone.

    Takes a shift of each channel of x as well, (C,), as the bias of the convolution before the norm: it is added in
    float32, and its gradient needs no pass over the feature.
    """

    @staticmethod
    @on_its_device
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        groups: int,
        eps: float,
        slope: float | None,
        shift: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        work = Work.on(x, groups, weight)
        x, shift = work.laid(x), None if shift is None else shift.contiguous()
        weights, activation = (weight.contiguous(), bias.contiguous(), shift), (eps, 1.0 if slope is None else slope)
        means, squares = x.new_empty(2, *work.partial, dtype=torch.float32)
        _moments_kernel[work.grid](x, shift, means, squares, **work.reading)
        mean, variance = x.new_empty(2, len(x), groups, dtype=torch.float32)
        of_channels = x.new_empty(x.shape[:2], dtype=torch.float32)
        _join_moments_kernel[(mean.numel(),)](means, squares, of_channels, mean, variance, **work.joining)
        y = torch.empty_like(x)
        kept = (mean, variance, *weights, *activation)
        _normalize_kernel[work.grid](x, y, *kept, **work.reading, **work.of_weights)
        ctx.save_for_backward(x, mean, variance, *weights, of_channels)
        ctx.work, ctx.activation = work, activation
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, weight, bias, shift, of_channels = ctx.saved_tensors
        work, kept = ctx.work, (mean, variance, weight, bias, shift, *ctx.activation)
        gradient = work.laid(gradient)
        totals, products = x.new_empty(2, *work.partial, dtype=torch.float32)
        _sums_kernel[work.grid](x, gradient, totals, products, *kept, **work.reading, **work.of_weights)
        of_bias, of_weight, of_shift = x.new_empty(3, *x.shape[:2], dtype=torch.float32)
        shares = x.new_empty(2, *mean.shape, dtype=torch.float32)
        statistics = (mean, variance, of_channels, weight, ctx.activation[0])
        joined = (of_bias, of_weight, of_shift, *shares)
        w_sample = work.of_weights["w_sample"]
        _join_sums_kernel[(mean.numel(),)](totals, products, *statistics, *joined, w_sample=w_sample, **work.joining)
        of_x = torch.empty_like(x)
        _gradient_kernel[work.grid](x, gradient, of_x, *shares, *kept, **work.reading, **work.of_weights)
        if weight.ndim == 1:
            of_weight, of_bias = of_weight.sum(0), of_bias.sum(0)
        of_shift = None if shift is None else of_shift.sum(0).to(shift.dtype)
        return of_x, of_weight.to(weight.dtype), of_bias.to(bias.dtype), None, None, None, of_shift


@dataclass(frozen=True)
class Work:
    """How the programs share a feature, (N, C, voxels): each has some channels and a part of the voxels of a sample.

    Attributes:
        layout: In which the feature is computed: channels-last, or contiguous.
        grid: Number of programs.
        partial: Shape of what they leave for each sample, channel and part.
        reading: Arguments of the kernels that read features.
        joining: Arguments of the kernels that join the parts.
        of_weights: Arguments of those that read the weights of channels.
    """

    layout: torch.memory_format
    grid: tuple[int]
    partial: tuple[int, int, int]
    reading: dict[str, int]
    joining: dict[str, int]
    of_weights: dict[str, int]

    @classmethod
    def on(cls, x: Tensor, groups: int, weight: Tensor) -> "Work":
        samples, channels, voxels = *x.shape[:2], x[0, 0].numel()
        layout = _layout_of(x)
        beside = layout != torch.contiguous_format
        of_program = (CHANNELS[0] if channels <= CHANNELS[0] else CHANNELS[1]) if beside else 1
        tile, blocks = TILE // of_program, triton.cdiv(channels, of_program)
        steps = triton.cdiv(triton.cdiv(voxels, tile), max(1, PROGRAMS // (samples * blocks)))
        parts = triton.cdiv(voxels, steps * tile)
        strides = (1, channels) if beside else (voxels, 1)
        size = {"channels": channels, "voxels": voxels, "parts": parts, "steps": steps, "num_warps": WARPS}
        of_group = triton.next_power_of_2(channels // groups)
        return cls(
            layout=layout,
            grid=(samples * blocks * parts,),
            partial=(samples, channels, parts),
            reading={**size, "x_channel": strides[0], "x_voxel": strides[1], "CHANNELS": of_program, "VOXELS": tile},
            joining={**size, "groups": groups, "OF_GROUP": of_group, "PARTS": PARTS, "VOXELS": tile},
            of_weights={"groups": groups, "w_sample": channels if weight.ndim == 2 else 0},
        )

    def laid(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=self.layout)


def check(device: torch.device) -> None:
    """Run every kernel once on a tiny feature, with a shift of its channels and without.

    Raises:
        Exception: Whatever Triton raises where it cannot compile; ValueError: a result is wrong.
    """
    values = torch.arange(2 * 4 * 30, dtype=torch.float32, device=device).sin().view(2, 4, 5, 6)
    weight, bias = torch.ones(4, device=device), torch.zeros(4, device=device)
    shift = torch.arange(4, dtype=torch.float32, device=device)
    for layout, given in ((torch.contiguous_format, None), (torch.channels_last, shift)):
        x = values.clone(memory_format=layout).requires_grad_()
        y, *_ = NormAndActivation.apply(x, weight, bias, 2, 1e-5, 0.1, given)
        (y * values.cos()).sum().backward()
        plain = values.clone().requires_grad_()
        moved = plain if given is None else plain + given.view(4, 1, 1)
        expected = torch.nn.functional.leaky_relu(torch.nn.functional.group_norm(moved, 2), 0.1)
        (expected * values.cos()).sum().backward()
        if not torch.allclose(y, expected, atol=1e-4) or not torch.allclose(x.grad, plain.grad, atol=1e-4):
            raise ValueError("a Triton kernel computes a wrong norm on this device")


def _layout_of(x: Tensor) -> torch.memory_format:
    """Return the channels-last layout of a feature that lies so and in no other layout, else contiguous."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if x.ndim in formats and not x.is_contiguous() and x.is_contiguous(memory_format=formats[x.ndim]):
        return formats[x.ndim]
    return torch.contiguous_format


COUNTS = ["groups", "parts", "steps", "w_sample"]
"""Arguments for whose values nothing is compiled on its own."""


@triton.jit
def _place(channels, parts, CHANNELS: tl.constexpr):
    """Return sample, some channels of it, and the part of this program."""
    blocks = tl.cdiv(channels, CHANNELS)
    c = ((tl.program_id(0) // parts) % blocks) * CHANNELS + tl.arange(0, CHANNELS)
    return (tl.program_id(0) // parts // blocks).to(tl.int64), c, tl.program_id(0) % parts


@triton.jit
def _shifted(x, at, here, moved):
    """Return a tile in float32, each channel moved."""
    return tl.load(x + at, mask=here, other=0.0).to(tl.float32) + moved[:, None]


@triton.jit
def _moved(shift, c, channels):
    """Return by how much some channels are moved."""
    if shift is None:
        moved = tl.zeros(c.shape, dtype=tl.float32)
    else:
        moved = tl.load(shift + c, mask=c < channels, other=0.0).to(tl.float32)
    return moved


@triton.jit(do_not_specialize=COUNTS)
def _moments_kernel(
    x,
    shift,
    means,
    squares,
    channels,
    voxels,
    parts,
    steps,
    x_channel,
    x_voxel,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write mean and sum of squared distances from it, of each channel in each part.

    The sums are of distances from the part's first value, in which no digits cancel where the mean is large.
    """
    sample, c, part = _place(channels, parts, CHANNELS)
    within, known, moved = tl.arange(0, VOXELS), c < channels, _moved(shift, c, channels)
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    begin = part * steps * VOXELS
    at = sample * channels * voxels + c.to(tl.int64) * x_channel + begin.to(tl.int64) * x_voxel
    first = tl.load(x + at, mask=known, other=0.0).to(tl.float32) + moved
    total = tl.zeros((CHANNELS, VOXELS), dtype=tl.float32)
    square = tl.zeros((CHANNELS, VOXELS), dtype=tl.float32)
    for step in range(steps):
        v = begin + step * VOXELS + within
        here = known[:, None] & (v < voxels)[None, :]
        apart = _shifted(x, start + v[None, :].to(tl.int64) * x_voxel, here, moved) - first[:, None]
        apart = tl.where(here, apart, 0.0)
        total += apart
        square += apart * apart
    count = tl.minimum(voxels - begin, steps * VOXELS)
    mean = tl.sum(total, 1) / count
    to = (sample * channels + c) * parts + part
    tl.store(means + to, first + mean, mask=known)
    tl.store(squares + to, tl.maximum(tl.sum(square, 1) - mean * mean * count, 0.0), mask=known)


@triton.jit
def _parts(start, voxels, parts, steps, inside, channels_at, VOXELS: tl.constexpr, PARTS: tl.constexpr):
    """Return where parts of some channels lie, which of them there are, and how many voxels each has."""
    p = start + tl.arange(0, PARTS)
    here = inside[:, None] & (p < parts)[None, :]
    counts = tl.minimum(voxels - p * steps * VOXELS, steps * VOXELS)[None, :].to(tl.float32)
    return channels_at[:, None] * parts + p[None, :], here, tl.where(here, counts, 0.0)


@triton.jit(do_not_specialize=[*COUNTS, "channels", "voxels"])
def _join_moments_kernel(
    means,
    squares,
    of_channels,
    mean,
    variance,
    channels,
    voxels,
    parts,
    steps,
    groups,
    OF_GROUP: tl.constexpr,
    PARTS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the mean of each channel of a group of a sample, and mean and variance of the group."""
    of_group, sample = channels // groups, tl.program_id(0) // groups
    c = tl.arange(0, OF_GROUP)
    at = sample * channels + (tl.program_id(0) % groups) * of_group + c
    total = tl.zeros((OF_GROUP,), dtype=tl.float32)
    for start in range(0, parts, PARTS):
        to, here, counts = _parts(start, voxels, parts, steps, c < of_group, at, VOXELS, PARTS)
        total += tl.sum(tl.load(means + to, mask=here, other=0.0) * counts, 1)
    of_channel = total / voxels
    joint = tl.sum(of_channel, 0) / of_group
    square = tl.zeros((OF_GROUP,), dtype=tl.float32)
    for start in range(0, parts, PARTS):
        to, here, counts = _parts(start, voxels, parts, steps, c < of_group, at, VOXELS, PARTS)
        apart = tl.load(means + to, mask=here, other=0.0) - joint
        square += tl.sum(tl.load(squares + to, mask=here, other=0.0) + counts * apart * apart, 1)
    tl.store(of_channels + at, of_channel, mask=c < of_group)
    tl.store(mean + tl.program_id(0), joint)
    tl.store(variance + tl.program_id(0), tl.sum(square, 0) / of_group / voxels)


@triton.jit
def _of_channels(mean, variance, weight, bias, shift, eps, sample, c, channels, groups, w_sample):
    """Return group, shift, mean, 1 / standard deviation, weight and bias of some channels."""
    known = c < channels
    group = sample * groups + c // (channels // groups)
    of_mean = tl.load(mean + group, mask=known, other=0.0)
    rstd = tl.rsqrt(tl.load(variance + group, mask=known, other=1.0) + eps)
    at = sample * w_sample + c
    of_weight = tl.load(weight + at, mask=known, other=0.0).to(tl.float32)
    of_bias = tl.load(bias + at, mask=known, other=0.0).to(tl.float32)
    return group, _moved(shift, c, channels), of_mean, rstd, of_weight, of_bias


@triton.jit(do_not_specialize=COUNTS)
def _normalize_kernel(
    x,
    y,
    mean,
    variance,
    weight,
    bias,
    shift,
    eps,
    slope,
    channels,
    voxels,
    parts,
    steps,
    x_channel,
    x_voxel,
    groups,
    w_sample,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the activation of the norm."""
    sample, c, part = _place(channels, parts, CHANNELS)
    within = tl.arange(0, VOXELS)
    _, moved, mu, rstd, w, b = _of_channels(
        mean, variance, weight, bias, shift, eps, sample, c, channels, groups, w_sample
    )
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    for step in range(steps):
        v = (part * steps + step) * VOXELS + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        at = start + v[None, :].to(tl.int64) * x_voxel
        value = (_shifted(x, at, here, moved) - mu[:, None]) * rstd[:, None] * w[:, None] + b[:, None]
        tl.store(y + at, tl.where(value > 0, value, value * slope), mask=here)


@triton.jit(do_not_specialize=COUNTS)
def _sums_kernel(
    x,
    gradient,
    totals,
    products,
    mean,
    variance,
    weight,
    bias,
    shift,
    eps,
    slope,
    channels,
    voxels,
    parts,
    steps,
    x_channel,
    x_voxel,
    groups,
    w_sample,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the sums of the gradient before the activation, and of its product with the normalized x, per part."""
    sample, c, part = _place(channels, parts, CHANNELS)
    within = tl.arange(0, VOXELS)
    _, moved, mu, rstd, w, b = _of_channels(
        mean, variance, weight, bias, shift, eps, sample, c, channels, groups, w_sample
    )
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    total = tl.zeros((CHANNELS, VOXELS), dtype=tl.float32)
    product = tl.zeros((CHANNELS, VOXELS), dtype=tl.float32)
    for step in range(steps):
        v = (part * steps + step) * VOXELS + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        at = start + v[None, :].to(tl.int64) * x_voxel
        h = (_shifted(x, at, here, moved) - mu[:, None]) * rstd[:, None]
        g = tl.load(gradient + at, mask=here, other=0.0).to(tl.float32)
        g = tl.where(h * w[:, None] + b[:, None] > 0, g, g * slope)
        total += g
        product += g * h
    to = (sample * channels + c) * parts + part
    tl.store(totals + to, tl.sum(total, 1), mask=c < channels)
    tl.store(products + to, tl.sum(product, 1), mask=c < channels)


@triton.jit(do_not_specialize=[*COUNTS, "channels", "voxels"])
def _join_sums_kernel(
    totals,
    products,
    mean,
    variance,
    of_channels,
    weight,
    eps,
    of_bias,
    of_weight,
    of_shift,
    of_ones,
    of_normalized,
    channels,
    voxels,
    parts,
    steps,
    groups,
    w_sample,
    OF_GROUP: tl.constexpr,
    PARTS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the gradients of weight, bias and shift per sample, and the means over the group that the one of x needs.

    That of the shift is the sum of that of x over the channel, see `_gradient_kernel`.
    """
    of_group, sample = channels // groups, tl.program_id(0) // groups
    c = tl.arange(0, OF_GROUP)
    inside, in_sample = c < of_group, (tl.program_id(0) % groups) * of_group + c
    at = sample * channels + in_sample
    total = tl.zeros((OF_GROUP,), dtype=tl.float32)
    product = tl.zeros((OF_GROUP,), dtype=tl.float32)
    for start in range(0, parts, PARTS):
        to, here, _ = _parts(start, voxels, parts, steps, inside, at, VOXELS, PARTS)
        total += tl.sum(tl.load(totals + to, mask=here, other=0.0), 1)
        product += tl.sum(tl.load(products + to, mask=here, other=0.0), 1)
    w = tl.load(weight + sample * w_sample + in_sample, mask=inside, other=0.0).to(tl.float32)
    ones = tl.sum(w * total, 0) / of_group / voxels
    normalized = tl.sum(w * product, 0) / of_group / voxels
    rstd = tl.rsqrt(tl.load(variance + tl.program_id(0)) + eps)
    h = (tl.load(of_channels + at, mask=inside, other=0.0) - tl.load(mean + tl.program_id(0))) * rstd
    tl.store(of_bias + at, total, mask=inside)
    tl.store(of_weight + at, product, mask=inside)
    tl.store(of_shift + at, rstd * (w * total - (ones + h * normalized) * voxels), mask=inside)
    tl.store(of_ones + tl.program_id(0), ones)
    tl.store(of_normalized + tl.program_id(0), normalized)


@triton.jit(do_not_specialize=COUNTS)
def _gradient_kernel(
    x,
    gradient,
    of_x,
    of_ones,
    of_normalized,
    mean,
    variance,
    weight,
    bias,
    shift,
    eps,
    slope,
    channels,
    voxels,
    parts,
    steps,
    x_channel,
    x_voxel,
    groups,
    w_sample,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the gradient of x: rstd (w g - mean(w g) - h mean(w g h)), h the normalized x, the means over the group."""
    sample, c, part = _place(channels, parts, CHANNELS)
    within = tl.arange(0, VOXELS)
    group, moved, mu, rstd, w, b = _of_channels(
        mean, variance, weight, bias, shift, eps, sample, c, channels, groups, w_sample
    )
    ones = tl.load(of_ones + group, mask=c < channels, other=0.0)
    normalized = tl.load(of_normalized + group, mask=c < channels, other=0.0)
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    for step in range(steps):
        v = (part * steps + step) * VOXELS + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        at = start + v[None, :].to(tl.int64) * x_voxel
        h = (_shifted(x, at, here, moved) - mu[:, None]) * rstd[:, None]
        g = tl.load(gradient + at, mask=here, other=0.0).to(tl.float32)
        g = tl.where(h * w[:, None] + b[:, None] > 0, g, g * slope)
        value = rstd[:, None] * (w[:, None] * g - ones[:, None] - h * normalized[:, None])
        tl.store(of_x + at, value, mask=here)
