"""The Triton kernels that `norm_kernels` launches: sums over the parts of a feature, joined, and applied to it."""

import triton
import triton.language as tl

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
def moments_kernel(
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
def join_moments_kernel(
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
def normalize_kernel(
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
def sums_kernel(
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
def join_sums_kernel(
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

    That of the shift is the sum of that of x over the channel, see `gradient_kernel`.
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
def gradient_kernel(
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
