"""Quartet attention's pooling and weighing as Triton kernels: see `quartet_ops` for what they compute.

A feature is read twice where all four axes are reduced: once in tiles of channels and columns that go through the rows,
once in tiles of columns and rows that go through the depth. Tiles are small, so that programs are many, and loaded
ahead of their turn. No sum is atomic: results are the same in every run.
Sums are in float32. `TRITON_INTERPRET=1` runs all of it on a CPU.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.kernels import on_its_device

TILE, LARGEST_TILE = 1024, 4096
"""Voxels that a program of `_reduce_kernel` has in its registers; more where the axis in a tile is longer than 128.

Of the largest the shared memory of compute capability 8.6 holds those loaded ahead: 96 KiB of 99, in float32.
"""
OF_WARP = 256
"""Voxels of a tile that a warp has: 8 of a thread, which reads them at once in bfloat16."""
ROWS, COLUMNS = 16, 64
"""Of a program of the other kernels, which goes through the depth; each size is compiled on its own."""


class MaxAndMean(Function):
    """See `quartet_ops.ArgmaxAndMean`."""

    @staticmethod
    @on_its_device
    def forward(ctx: FunctionCtx, x: Tensor) -> tuple[Tensor, ...]:
        shapes = [(len(x), *_without(axis, x.shape[1:])) for axis in range(4)]
        pooled = [x.new_empty(len(x), 2, *shape[1:]) for shape in shapes]
        places = [x.new_empty(shape, dtype=torch.int16) for shape in shapes]
        _reduce(x, x, pooled, places, [1 / side for side in x.shape[1:]])
        ctx.save_for_backward(*places)
        return x.view_as(x), *pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, of_x: Tensor, *gradients: Tensor) -> Tensor:
        of_x, out = of_x.contiguous(), torch.empty_like(of_x, memory_format=torch.contiguous_format)
        kept = (*(g.contiguous() for g in gradients), *ctx.saved_tensors)
        _spread_kernel[_grid(of_x)](of_x, out, *kept, *of_x.shape[1:], ROWS, COLUMNS)
        return out


class WeighByMeanMap(Function):
    """See `quartet_ops.WeighByMeanMap`."""

    @staticmethod
    @on_its_device
    def forward(ctx: FunctionCtx, x: Tensor, *maps: Tensor) -> Tensor:
        maps = [m.contiguous() for m in maps]
        ctx.save_for_backward(x, *maps)
        return _weigh(x, maps)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, ...]:
        x, *maps = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_maps = [torch.empty_like(m) for m in maps]
        _reduce(x, gradient, of_maps, None, [1 / len(maps)] * len(maps))
        return _weigh(gradient, maps), *of_maps


def check(device: torch.device) -> None:
    """Run every kernel once on a tiny feature.

    Raises:
        Exception: Whatever Triton raises where it cannot compile; ValueError: a result is wrong.
    """
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32, device=device).view(1, 2, 3, 4, 5).requires_grad_()
    x_again, *pooled = MaxAndMean.apply(x)
    maps = [p[:, :1].sum(1).unsqueeze(axis) for axis, p in enumerate(pooled, start=1)]
    WeighByMeanMap.apply(x_again, *maps).sum().backward()
    # y = x (m_1 + .. + m_4) / 4 with m_i the maximum along axis i, to which the first of the largest voxels adds.
    plain = x.detach().requires_grad_()
    sum(plain * plain.amax(axis, keepdim=True) / 4 for axis in range(1, 5)).sum().backward()
    if not torch.allclose(x.grad, plain.grad, rtol=1e-4):
        raise ValueError("DAR-218: a Triton kernel computes a wrong gradient on this device")


def _without(axis: int, sides: tuple[int, ...]) -> tuple[int, ...]:
    return (*sides[:axis], *sides[axis + 1 :])


def _reduce(x: Tensor, factor: Tensor, out: list[Tensor], places: list[Tensor] | None, scales: list[float]) -> None:
    """Write scaled sums along each axis, in the order C, D, H, W: those of x times `factor`, or those of x and maxima.

    Args:
        factor: As large as x; read only without `places`.
        out: Without `places` the sums, N times as many values as a sample has without the axis; with `places` maxima
            and sums, (N, 2, ...).
        places: Of the maxima, (N, ...).
    """
    samples, channels, depth, height, width = x.shape
    planes, plane = 1 if places is None else 2, height * width
    places = places or out
    # Tiles of channels and columns at each depth go through the rows: they reduce C within and H on their way.
    within, others, warps = _tile(channels)
    _reduce_kernel[(samples * depth * triton.cdiv(width, others),)](
        *(x, factor, out[0], out[2], places[0], places[2]),
        *(depth, height, channels, width),
        *(plane, width, depth * plane, 1),
        *(width, depth * width, 1),
        *(scales[0], scales[2], planes, within, others),
        num_warps=warps,
    )
    # Tiles of columns and rows in each channel go through the depth: they reduce W within and D on their way.
    within, others, warps = _tile(width)
    _reduce_kernel[(samples * channels * triton.cdiv(height, others),)](
        *(x, factor, out[3], out[1], places[3], places[1]),
        *(channels, depth, width, height),
        *(depth * plane, plane, 1, width),
        *(plane, 1, width),
        *(scales[3], scales[1], planes, within, others),
        num_warps=warps,
    )


def _tile(within: int) -> tuple[int, int, int]:
    """Return the sides of a tile that holds all of one axis and a part of another, and its warps.

    The first is a power of four from 16: fewer sizes are compiled, and what lies outside of the feature is not read.
    """
    whole = 16
    while whole < within:
        whole *= 4
    others = max(1, min(max(8, TILE // whole), LARGEST_TILE // whole))
    return whole, others, min(16, whole * others // OF_WARP)


@triton.jit(do_not_specialize=["size_grid", "size_way"])
def _reduce_kernel(
    x,
    factor,
    out_within,
    out_way,
    places_within,
    places_way,
    size_grid,
    size_way,
    size_within,
    size_other,
    x_grid,
    x_way,
    x_within,
    x_other,
    way_grid,
    way_within,
    way_other,
    scale_within,
    scale_way,
    PLANES: tl.constexpr,
    WITHIN: tl.constexpr,
    OTHERS: tl.constexpr,
):
    """Reduce tiles over the axis within them and over the axis of their way; strides are in values."""
    blocks = tl.cdiv(size_other, OTHERS)
    block = tl.program_id(0) % blocks
    at_grid = (tl.program_id(0) // blocks) % size_grid
    sample = (tl.program_id(0) // blocks // size_grid).to(tl.int64)
    within, other = tl.arange(0, WITHIN), block * OTHERS + tl.arange(0, OTHERS)
    here = (within < size_within)[:, None] & (other < size_other)[None, :]
    start = sample * size_grid * size_way * size_within * size_other + at_grid * x_grid
    offsets = start + within[:, None] * x_within + other[None, :] * x_other
    values_within, values_way = size_grid * size_way * size_other, size_grid * size_within * size_other

    total = tl.zeros((WITHIN, OTHERS), dtype=tl.float32)
    largest = tl.full((WITHIN, OTHERS), float("-inf"), dtype=tl.float32)
    place = tl.zeros((WITHIN, OTHERS), dtype=tl.int32)
    for step in tl.range(size_way, num_stages=4):
        tile = tl.load(x + offsets + step * x_way, mask=here, other=0.0).to(tl.float32)
        to = (at_grid * size_way + step) * size_other + other
        if PLANES == 2:
            filled = tl.where(here, tile, float("-inf"))
            place = tl.where(filled > largest, step, place)
            largest = tl.maximum(largest, filled)
            maximum, first = tl.max(filled, 0, return_indices=True)
            tl.store(out_within + 2 * sample * values_within + to, maximum, mask=other < size_other)
            tl.store(places_within + sample * values_within + to, first.to(tl.int16), mask=other < size_other)
        else:
            tile *= tl.load(factor + offsets + step * x_way, mask=here, other=0.0).to(tl.float32)
        plane = sample * PLANES + (PLANES - 1)
        tl.store(out_within + plane * values_within + to, tl.sum(tile, 0) * scale_within, mask=other < size_other)
        total += tile

    to = at_grid * way_grid + within[:, None] * way_within + other[None, :] * way_other
    if PLANES == 2:
        tl.store(out_way + 2 * sample * values_way + to, largest, mask=here)
        tl.store(places_way + sample * values_way + to, place.to(tl.int16), mask=here)
    plane = sample * PLANES + (PLANES - 1)
    tl.store(out_way + plane * values_way + to, total * scale_way, mask=here)


def _grid(x: Tensor) -> tuple[int]:
    """Return the grid for kernels whose programs go through the depth with some rows and columns of one channel."""
    samples, channels, _, height, width = x.shape
    return (samples * channels * triton.cdiv(height, ROWS) * triton.cdiv(width, COLUMNS),)


def _weigh(x: Tensor, maps: list[Tensor]) -> Tensor:
    out = torch.empty_like(x)
    _weigh_kernel[_grid(x)](x, out, *maps, *x.shape[1:], ROWS, COLUMNS)
    return out


@triton.jit
def _place(height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return channel among those of all samples, rows and columns of this program, and which of them there are."""
    across, down = tl.cdiv(width, COLUMNS), tl.cdiv(height, ROWS)
    w = (tl.program_id(0) % across) * COLUMNS + tl.arange(0, COLUMNS)
    h = ((tl.program_id(0) // across) % down) * ROWS + tl.arange(0, ROWS)
    return (tl.program_id(0) // across // down).to(tl.int64), h, w, (h < height)[:, None] & (w < width)[None, :]


@triton.jit
def _read(values, at, mask):
    return tl.load(values + at, mask=mask, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=["channels", "depth", "height"])
def _weigh_kernel(
    x, out, over_c, over_d, over_h, over_w, channels, depth, height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    """Write x times the mean of four maps."""
    channel, h, w, here = _place(height, width, ROWS, COLUMNS)
    sample, plane, in_plane = channel // channels, height * width, h[:, None] * width + w[None, :]
    of_d = _read(over_d, channel * plane + in_plane, here)
    for d in range(depth):
        of_feature = channel * depth + d
        weight = of_d + _read(over_c, (sample * depth + d) * plane + in_plane, here)
        weight += _read(over_h, of_feature * width + w, w < width)[None, :]
        weight += _read(over_w, of_feature * height + h, h < height)[:, None]
        voxels = of_feature * plane + in_plane
        tl.store(out + voxels, _read(x, voxels, here) * weight * 0.25, mask=here)


@triton.jit
def _shares(gradient, places, planes, values, at, mask):
    """Return the gradient of maxima and of means, and the places of the maxima.

    Args:
        planes: Number of maps before, of maxima or of means, each of `values`.
    """
    of_max = _read(gradient, 2 * planes * values + at, mask)
    of_mean = _read(gradient, (2 * planes + 1) * values + at, mask)
    return of_max, of_mean, tl.load(places + planes * values + at, mask=mask, other=-1).to(tl.int32)


@triton.jit(do_not_specialize=["channels", "depth", "height"])
def _spread_kernel(
    of_x,
    out,
    over_c,
    over_d,
    over_h,
    over_w,
    places_c,
    places_d,
    places_h,
    places_w,
    channels,
    depth,
    height,
    width,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Write `of_x` plus each voxel's part of the gradients of means, and of maxima where it was the first largest."""
    channel, h, w, here = _place(height, width, ROWS, COLUMNS)
    sample, c, plane = channel // channels, channel % channels, height * width
    in_plane = h[:, None] * width + w[None, :]
    max_d, mean_d, place_d = _shares(over_d, places_d, sample, channels * plane, c * plane + in_plane, here)
    for d in range(depth):
        max_c, mean_c, place_c = _shares(over_c, places_c, sample, depth * plane, d * plane + in_plane, here)
        rows, columns = channels * depth * width, channels * depth * height
        max_h, mean_h, place_h = _shares(over_h, places_h, sample, rows, (c * depth + d) * width + w, w < width)
        max_w, mean_w, place_w = _shares(over_w, places_w, sample, columns, (c * depth + d) * height + h, h < height)
        voxels = (channel * depth + d) * plane + in_plane
        total = _read(of_x, voxels, here) + mean_c / channels + mean_d / depth
        total += (mean_h / height)[None, :] + (mean_w / width)[:, None]
        total += tl.where(place_c == c, max_c, 0.0) + tl.where(place_d == d, max_d, 0.0)
        total += tl.where(place_h[None, :] == h[:, None], max_h[None, :], 0.0)
        total += tl.where(place_w[:, None] == w[None, :], max_w[:, None], 0.0)
        tl.store(out + voxels, total, mask=here)
