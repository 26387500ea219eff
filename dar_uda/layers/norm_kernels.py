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

TILE = 4096
"""Values that a program has in its registers."""
WARPS = 8
PROGRAMS = 2048
"""About how many share the work on a feature."""
CHANNELS = 128
"""The most of a program, where channels lie side by side in memory."""


class NormAndActivation(Function):
    """See `norm.NormAndActivation`; keeps x alone."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, slope: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        work = Work.on(x, groups, weight)
        x = work.laid(x)
        means, squares = x.new_empty(2, *work.partial, dtype=torch.float32)
        _moments_kernel[work.grid](x, means, squares, **work.reading)
        mean, variance = x.new_empty(2, len(x), groups, dtype=torch.float32)
        _join_moments_kernel[(len(x) * groups,)](means, squares, mean, variance, part=work.part, **work.joining)
        y, weights = torch.empty_like(x), (weight.contiguous(), bias.contiguous())
        kept = (mean, variance, *weights, *_activation(eps, slope))
        _normalize_kernel[work.grid](x, y, *kept, **work.reading, **work.of_weights)
        ctx.save_for_backward(x, mean, variance, *weights)
        ctx.work, ctx.activation = work, _activation(eps, slope)
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, weight, bias = ctx.saved_tensors
        work, kept = ctx.work, (mean, variance, weight, bias, *ctx.activation)
        gradient = work.laid(gradient)
        totals, products = x.new_empty(2, *work.partial, dtype=torch.float32)
        _sums_kernel[work.grid](x, gradient, totals, products, *kept, **work.reading, **work.of_weights)
        of_bias, of_weight = x.new_empty(2, *x.shape[:2], dtype=torch.float32)
        shares = x.new_empty(2, *mean.shape, dtype=torch.float32)
        joined = (of_bias, of_weight, *shares)
        w_sample = work.of_weights["w_sample"]
        _join_sums_kernel[(mean.numel(),)](totals, products, weight, *joined, w_sample=w_sample, **work.joining)
        of_x = torch.empty_like(x)
        _gradient_kernel[work.grid](x, gradient, of_x, *shares, *kept, **work.reading, **work.of_weights)
        if weight.ndim == 1:
            of_weight, of_bias = of_weight.sum(0), of_bias.sum(0)
        return of_x, of_weight.to(weight.dtype), of_bias.to(bias.dtype), None, None, None


@dataclass(frozen=True)
class Work:
    """How the programs share a feature, (N, C, voxels): each has some channels and a part of the voxels of a sample.

    Attributes:
        layout: In which the feature is computed: channels-last, or contiguous.
        grid: Number of programs.
        partial: Shape of what they leave for each sample, channel and part.
        part: Voxels of a part.
        reading: Arguments of the kernels that read features.
        joining: Arguments of the kernels that join the parts.
        of_weights: Arguments of those that read the weights of channels.
    """

    layout: torch.memory_format
    grid: tuple[int]
    partial: tuple[int, int, int]
    part: int
    reading: dict[str, int]
    joining: dict[str, int]
    of_weights: dict[str, int]

    @classmethod
    def on(cls, x: Tensor, groups: int, weight: Tensor) -> "Work":
        samples, channels, voxels = *x.shape[:2], x[0, 0].numel()
        layout = _layout_of(x)
        beside = layout != torch.contiguous_format
        of_program = min(triton.next_power_of_2(channels), CHANNELS) if beside else 1
        tile = min(TILE // of_program, triton.next_power_of_2(voxels))
        blocks = triton.cdiv(channels, of_program)
        steps = triton.cdiv(triton.cdiv(voxels, tile), max(1, PROGRAMS // (samples * blocks)))
        parts = triton.cdiv(voxels, steps * tile)
        strides = (1, channels) if beside else (voxels, 1)
        size = {"channels": channels, "voxels": voxels, "parts": parts}
        reading = {"x_channel": strides[0], "x_voxel": strides[1], "STEPS": steps, "CHANNELS": of_program}
        return cls(
            layout=layout,
            grid=(samples * blocks * parts,),
            partial=(samples, channels, parts),
            reading={**size, **reading, "VOXELS": tile, "num_warps": WARPS},
            joining={**size, "groups": groups, "PARTS": triton.next_power_of_2(parts)},
            part=steps * tile,
            of_weights={"groups": groups, "w_sample": channels if weight.ndim == 2 else 0},
        )

    def laid(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=self.layout)


def check(device: torch.device) -> None:
    """Run every kernel once on a tiny feature.

    Raises:
        Exception: Whatever Triton raises where it cannot compile; ValueError: a result is wrong.
    """
    values = torch.arange(2 * 4 * 30, dtype=torch.float32, device=device).sin().view(2, 4, 5, 6)
    weight, bias = torch.ones(4, device=device), torch.zeros(4, device=device)
    for layout in (torch.contiguous_format, torch.channels_last):
        with torch.enable_grad():
            x = values.clone(memory_format=layout).requires_grad_()
            y, *_ = NormAndActivation.apply(x, weight, bias, 2, 1e-5, 0.1)
            (y * values.cos()).sum().backward()
            plain = values.clone().requires_grad_()
            expected = torch.nn.functional.leaky_relu(torch.nn.functional.group_norm(plain, 2), 0.1)
            (expected * values.cos()).sum().backward()
        if not torch.allclose(y, expected, atol=1e-4) or not torch.allclose(x.grad, plain.grad, atol=1e-4):
            raise ValueError("a Triton kernel computes a wrong norm on this device")


def _layout_of(x: Tensor) -> torch.memory_format:
    """Return the channels-last layout of a feature that lies so and in no other layout, else contiguous."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if x.ndim in formats and not x.is_contiguous() and x.is_contiguous(memory_format=formats[x.ndim]):
        return formats[x.ndim]
    return torch.contiguous_format


def _activation(eps: float, slope: float | None) -> tuple[float, float]:
    """Return eps and the slope of a LeakyReLU; of 1, which changes nothing, for none."""
    return eps, 1.0 if slope is None else slope


@triton.jit
def _place(channels, parts, CHANNELS: tl.constexpr):
    """Return sample, first channel and part of this program."""
    blocks = tl.cdiv(channels, CHANNELS)
    part = tl.program_id(0) % parts
    first = ((tl.program_id(0) // parts) % blocks) * CHANNELS
    return (tl.program_id(0) // parts // blocks).to(tl.int64), first, part


@triton.jit
def _moments_kernel(
    x,
    means,
    squares,
    channels,
    voxels,
    parts,
    x_channel,
    x_voxel,
    STEPS: tl.constexpr,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write mean and sum of squared distances from it, of each channel in each part; tile by tile, Chan's formula."""
    sample, first, part = _place(channels, parts, CHANNELS)
    c, within = first + tl.arange(0, CHANNELS), tl.arange(0, VOXELS)
    start = x + sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    mean = tl.zeros((CHANNELS,), dtype=tl.float32)
    square = tl.zeros((CHANNELS,), dtype=tl.float32)
    for step in range(STEPS):
        before = step * VOXELS
        v = part * STEPS * VOXELS + before + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        count = tl.minimum(voxels - part * STEPS * VOXELS - before, VOXELS)
        if count > 0:
            tile = tl.load(start + v[None, :].to(tl.int64) * x_voxel, mask=here, other=0.0).to(tl.float32)
            of_tile = tl.sum(tile, 1) / count
            centred = tl.where(here, tile - of_tile[:, None], 0.0)
            apart = of_tile - mean
            share = count.to(tl.float32) / (before + count)
            square += tl.sum(centred * centred, 1) + apart * apart * share * before
            mean += apart * share
    to = (sample * channels + c) * parts + part
    tl.store(means + to, mean, mask=c < channels)
    tl.store(squares + to, square, mask=c < channels)


@triton.jit
def _join_moments_kernel(means, squares, mean, variance, channels, groups, voxels, parts, part, PARTS: tl.constexpr):
    """Write mean and variance of a group of a sample, from those of its channels' parts."""
    of_group = channels // groups
    sample, group = tl.program_id(0) // groups, tl.program_id(0) % groups
    p = tl.arange(0, PARTS)
    counts = tl.where(p < parts, tl.minimum(voxels - p * part, part), 0).to(tl.float32)
    first = (sample * channels + group * of_group) * parts
    total = 0.0
    for channel in range(of_group):
        total += tl.sum(tl.load(means + first + channel * parts + p, mask=p < parts, other=0.0) * counts, 0)
    values = voxels * of_group * 1.0
    joint = total / values
    square = 0.0
    for channel in range(of_group):
        apart = tl.load(means + first + channel * parts + p, mask=p < parts, other=0.0) - joint
        inner = tl.load(squares + first + channel * parts + p, mask=p < parts, other=0.0)
        square += tl.sum(inner + counts * apart * apart, 0)
    tl.store(mean + tl.program_id(0), joint)
    tl.store(variance + tl.program_id(0), square / values)


@triton.jit
def _of_channels(mean, variance, weight, bias, eps, sample, c, channels, groups, w_sample):
    """Return group, mean, 1 / standard deviation, weight and bias of some channels."""
    known = c < channels
    group = sample * groups + c // (channels // groups)
    of_mean = tl.load(mean + group, mask=known, other=0.0)
    rstd = tl.rsqrt(tl.load(variance + group, mask=known, other=1.0) + eps)
    at = sample * w_sample + c
    of_weight = tl.load(weight + at, mask=known, other=0.0).to(tl.float32)
    of_bias = tl.load(bias + at, mask=known, other=0.0).to(tl.float32)
    return group, of_mean, rstd, of_weight, of_bias


@triton.jit
def _normalize_kernel(
    x,
    y,
    mean,
    variance,
    weight,
    bias,
    eps,
    slope,
    channels,
    groups,
    voxels,
    parts,
    w_sample,
    x_channel,
    x_voxel,
    STEPS: tl.constexpr,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the activation of the norm."""
    sample, first, part = _place(channels, parts, CHANNELS)
    c, within = first + tl.arange(0, CHANNELS), tl.arange(0, VOXELS)
    _, mu, rstd, w, b = _of_channels(mean, variance, weight, bias, eps, sample, c, channels, groups, w_sample)
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    for step in range(STEPS):
        v = (part * STEPS + step) * VOXELS + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        at = start + v[None, :].to(tl.int64) * x_voxel
        tile = tl.load(x + at, mask=here, other=0.0).to(tl.float32)
        value = (tile - mu[:, None]) * rstd[:, None] * w[:, None] + b[:, None]
        tl.store(y + at, tl.where(value > 0, value, value * slope), mask=here)


@triton.jit
def _sums_kernel(
    x,
    gradient,
    totals,
    products,
    mean,
    variance,
    weight,
    bias,
    eps,
    slope,
    channels,
    groups,
    voxels,
    parts,
    w_sample,
    x_channel,
    x_voxel,
    STEPS: tl.constexpr,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the sums of the gradient before the activation, and of its product with the normalized x, per part."""
    sample, first, part = _place(channels, parts, CHANNELS)
    c, within = first + tl.arange(0, CHANNELS), tl.arange(0, VOXELS)
    _, mu, rstd, w, b = _of_channels(mean, variance, weight, bias, eps, sample, c, channels, groups, w_sample)
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    total = tl.zeros((CHANNELS, VOXELS), dtype=tl.float32)
    product = tl.zeros((CHANNELS, VOXELS), dtype=tl.float32)
    for step in range(STEPS):
        v = (part * STEPS + step) * VOXELS + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        at = start + v[None, :].to(tl.int64) * x_voxel
        h = (tl.load(x + at, mask=here, other=0.0).to(tl.float32) - mu[:, None]) * rstd[:, None]
        g = tl.load(gradient + at, mask=here, other=0.0).to(tl.float32)
        g = tl.where(h * w[:, None] + b[:, None] > 0, g, g * slope)
        total += g
        product += g * h
    to = (sample * channels + c) * parts + part
    tl.store(totals + to, tl.sum(total, 1), mask=c < channels)
    tl.store(products + to, tl.sum(product, 1), mask=c < channels)


@triton.jit
def _join_sums_kernel(
    totals,
    products,
    weight,
    of_bias,
    of_weight,
    of_ones,
    of_normalized,
    channels,
    groups,
    voxels,
    parts,
    w_sample,
    PARTS: tl.constexpr,
):
    """Write the gradients of weight and bias per sample, and the means over the group that the gradient of x needs."""
    of_group = channels // groups
    sample, group = tl.program_id(0) // groups, tl.program_id(0) % groups
    p = tl.arange(0, PARTS)
    ones, normalized = 0.0, 0.0
    for channel in range(of_group):
        c = group * of_group + channel
        to = sample * channels + c
        total = tl.sum(tl.load(totals + to * parts + p, mask=p < parts, other=0.0), 0)
        product = tl.sum(tl.load(products + to * parts + p, mask=p < parts, other=0.0), 0)
        tl.store(of_bias + to, total)
        tl.store(of_weight + to, product)
        w = tl.load(weight + sample * w_sample + c).to(tl.float32)
        ones += w * total
        normalized += w * product
    values = voxels * of_group * 1.0
    tl.store(of_ones + tl.program_id(0), ones / values)
    tl.store(of_normalized + tl.program_id(0), normalized / values)


@triton.jit
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
    eps,
    slope,
    channels,
    groups,
    voxels,
    parts,
    w_sample,
    x_channel,
    x_voxel,
    STEPS: tl.constexpr,
    CHANNELS: tl.constexpr,
    VOXELS: tl.constexpr,
):
    """Write the gradient of x: rstd (w g - mean(w g) - h mean(w g h)), h the normalized x, the means over the group."""
    sample, first, part = _place(channels, parts, CHANNELS)
    c, within = first + tl.arange(0, CHANNELS), tl.arange(0, VOXELS)
    group, mu, rstd, w, b = _of_channels(mean, variance, weight, bias, eps, sample, c, channels, groups, w_sample)
    ones = tl.load(of_ones + group, mask=c < channels, other=0.0)
    normalized = tl.load(of_normalized + group, mask=c < channels, other=0.0)
    start = sample * channels * voxels + c.to(tl.int64)[:, None] * x_channel
    for step in range(STEPS):
        v = (part * STEPS + step) * VOXELS + within
        here = (c < channels)[:, None] & (v < voxels)[None, :]
        at = start + v[None, :].to(tl.int64) * x_voxel
        h = (tl.load(x + at, mask=here, other=0.0).to(tl.float32) - mu[:, None]) * rstd[:, None]
        g = tl.load(gradient + at, mask=here, other=0.0).to(tl.float32)
        g = tl.where(h * w[:, None] + b[:, None] > 0, g, g * slope)
        value = rstd[:, None] * (w[:, None] * g - ones[:, None] - h * normalized[:, None])
        tl.store(of_x + at, value, mask=here)
