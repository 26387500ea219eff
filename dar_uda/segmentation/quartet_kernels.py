"""Quartet attention's pooling and weighing as Triton kernels: see `quartet_ops` for what they compute.

A feature is read twice where all four axes are reduced: once in tiles of channels and columns that go through the rows,
once in tiles of columns and rows that go through the depth. No sum is atomic: results are the same in every run.
Sums are in float32. `TRITON_INTERPRET=1` runs all of it on a CPU.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

TILE = 4096
"""Voxels that a program has in its registers."""
WARPS = 8


class MaxAndMean(Function):
    """See `quartet_ops.ArgmaxAndMean`."""

    @staticmethod
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
        grid, sizes = _rows(of_x)
        _spread_kernel[grid](of_x, out, *(g.contiguous() for g in gradients), *ctx.saved_tensors, **sizes)
        return out


class WeighByMeanMap(Function):
    """See `quartet_ops.WeighByMeanMap`."""

    @staticmethod
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
    with torch.enable_grad():
        x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32, device=device).view(1, 2, 3, 4, 5).requires_grad_()
        x_again, *pooled = MaxAndMean.apply(x)
        maps = [p[:, :1].sum(1).unsqueeze(axis) for axis, p in enumerate(pooled, start=1)]
        WeighByMeanMap.apply(x_again, *maps).sum().backward()
        # y = x (m_1 + .. + m_4) / 4 with m_i the maximum along axis i, to which the first of the largest voxels adds.
        plain = x.detach().requires_grad_()
        sum(plain * plain.amax(axis, keepdim=True) / 4 for axis in range(1, 5)).sum().backward()
    if not torch.allclose(x.grad, plain.grad, rtol=1e-4):
        raise ValueError("a Triton kernel computes a wrong gradient on this device")


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
    within, others = _tile(channels, width)
    _reduce_kernel[(samples * depth * triton.cdiv(width, others),)](
        *(x, factor, out[0], out[2], places[0], places[2]),
        *(depth, height, channels, width),
        *(plane, width, depth * plane, 1),
        *(width, depth * width, 1),
        *(scales[0], scales[2], planes, within, others),
        num_warps=WARPS,
    )
    # Tiles of columns and rows in each channel go through the depth: they reduce W within and D on their way.
    within, others = _tile(width, height)
    _reduce_kernel[(samples * channels * triton.cdiv(height, others),)](
        *(x, factor, out[3], out[1], places[3], places[1]),
        *(channels, depth, width, height),
        *(depth * plane, plane, 1, width),
        *(plane, 1, width),
        *(scales[3], scales[1], planes, within, others),
        num_warps=WARPS,
    )


def _tile(within: int, others: int) -> tuple[int, int]:
    """Return the sides of a tile that holds all of one axis and a part of another, powers of two."""
    whole = triton.next_power_of_2(within)
    return whole, min(max(1, TILE // whole), triton.next_power_of_2(others))


@triton.jit
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
    for step in range(size_way):
        tile = tl.load(x + offsets + step * x_way, mask=here, other=0.0).to(tl.float32)
        to = (at_grid * size_way + step) * size_other + other
        if PLANES == 2:
            filled = tl.where(here, tile, float("-inf"))
            place = tl.where(filled > largest, step, place)
            largest = tl.maximum(largest, filled)
            maximum = tl.max(filled, 0)
            first = tl.min(tl.where(filled == maximum[None, :], within[:, None], WITHIN), 0)
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


def _rows(x: Tensor) -> tuple[tuple[int], dict[str, int]]:
    """Return the grid and the sizes for kernels whose programs have some rows of one slice of one channel."""
    samples, channels, depth, height, width = x.shape
    columns, rows = _tile(width, height)
    grid = (samples * channels * depth * triton.cdiv(height, rows),)
    sizes = {"channels": channels, "depth": depth, "height": height, "width": width}
    return grid, {**sizes, "ROWS": rows, "COLUMNS": columns, "num_warps": WARPS}


def _weigh(x: Tensor, maps: list[Tensor]) -> Tensor:
    out = torch.empty_like(x)
    grid, sizes = _rows(x)
    _weigh_kernel[grid](x, out, *maps, **sizes)
    return out


@triton.jit
def _weigh_kernel(
    x, out, over_c, over_d, over_h, over_w, channels, depth, height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    """Write x times the mean of four maps."""
    blocks = tl.cdiv(height, ROWS)
    h = (tl.program_id(0) % blocks) * ROWS + tl.arange(0, ROWS)
    d = (tl.program_id(0) // blocks) % depth
    channel = (tl.program_id(0) // blocks // depth).to(tl.int64)  # of all samples
    sample, w = channel // channels, tl.arange(0, COLUMNS)
    here = (h < height)[:, None] & (w < width)[None, :]
    in_plane, slice_of_feature = h[:, None] * width + w[None, :], channel * depth + d

    weight = tl.load(over_c + (sample * depth + d) * height * width + in_plane, mask=here, other=0.0).to(tl.float32)
    weight += tl.load(over_d + channel * height * width + in_plane, mask=here, other=0.0).to(tl.float32)
    weight += tl.load(over_h + slice_of_feature * width + w, mask=w < width, other=0.0).to(tl.float32)[None, :]
    weight += tl.load(over_w + slice_of_feature * height + h, mask=h < height, other=0.0).to(tl.float32)[:, None]
    voxels = slice_of_feature * height * width + in_plane
    value = tl.load(x + voxels, mask=here, other=0.0).to(tl.float32)
    tl.store(out + voxels, value * weight * 0.25, mask=here)


@triton.jit
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
    blocks = tl.cdiv(height, ROWS)
    h = (tl.program_id(0) % blocks) * ROWS + tl.arange(0, ROWS)
    d = (tl.program_id(0) // blocks) % depth
    channel = (tl.program_id(0) // blocks // depth).to(tl.int64)  # of all samples
    sample, c, w = channel // channels, channel % channels, tl.arange(0, COLUMNS)
    here = (h < height)[:, None] & (w < width)[None, :]
    in_plane, plane, slice_of_feature = h[:, None] * width + w[None, :], height * width, channel * depth + d
    voxels = slice_of_feature * plane + in_plane
    total = tl.load(of_x + voxels, mask=here, other=0.0).to(tl.float32)

    values = depth * plane
    to = d * plane + in_plane
    of_max = tl.load(over_c + 2 * sample * values + to, mask=here, other=0.0).to(tl.float32)
    of_mean = tl.load(over_c + (2 * sample + 1) * values + to, mask=here, other=0.0).to(tl.float32)
    place = tl.load(places_c + sample * values + to, mask=here, other=-1).to(tl.int32)
    total += of_mean / channels + tl.where(place == c, of_max, 0.0)

    values = channels * plane
    to = c * plane + in_plane
    of_max = tl.load(over_d + 2 * sample * values + to, mask=here, other=0.0).to(tl.float32)
    of_mean = tl.load(over_d + (2 * sample + 1) * values + to, mask=here, other=0.0).to(tl.float32)
    place = tl.load(places_d + sample * values + to, mask=here, other=-1).to(tl.int32)
    total += of_mean / depth + tl.where(place == d, of_max, 0.0)

    values = channels * depth * width
    to = (c * depth + d) * width + w
    of_max = tl.load(over_h + 2 * sample * values + to, mask=w < width, other=0.0).to(tl.float32)
    of_mean = tl.load(over_h + (2 * sample + 1) * values + to, mask=w < width, other=0.0).to(tl.float32)
    place = tl.load(places_h + sample * values + to, mask=w < width, other=-1).to(tl.int32)
    total += (of_mean / height)[None, :] + tl.where(place[None, :] == h[:, None], of_max[None, :], 0.0)

    values = channels * depth * height
    to = (c * depth + d) * height + h
    of_max = tl.load(over_w + 2 * sample * values + to, mask=h < height, other=0.0).to(tl.float32)
    of_mean = tl.load(over_w + (2 * sample + 1) * values + to, mask=h < height, other=0.0).to(tl.float32)
    place = tl.load(places_w + sample * values + to, mask=h < height, other=-1).to(tl.int32)
    total += (of_mean / width)[:, None] + tl.where(place[:, None] == w[None, :], of_max[:, None], 0.0)
    tl.store(out + voxels, total, mask=here)
