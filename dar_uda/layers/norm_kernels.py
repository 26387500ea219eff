"""Norm and LeakyReLU by Triton kernels, launched: see `norm.NormAndActivation` for what they compute.

Three launches forward, three backward. A feature is read twice and written once in the forward, read twice together
with the gradient and written once in the backward. Sums are in float32 and in one order: results are the same in every
run. `TRITON_INTERPRET=1` runs all of it on a CPU.
"""

from dataclasses import dataclass

import torch
import triton
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.kernels import on_its_device
from dar_uda.layers.norm_passes import (
    gradient_kernel,
    join_moments_kernel,
    join_sums_kernel,
    moments_kernel,
    normalize_kernel,
    sums_kernel,
)

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
        moments_kernel[work.grid](x, shift, means, squares, **work.reading)
        mean, variance = x.new_empty(2, len(x), groups, dtype=torch.float32)
        of_channels = x.new_empty(x.shape[:2], dtype=torch.float32)
        join_moments_kernel[(mean.numel(),)](means, squares, of_channels, mean, variance, **work.joining)
        y = torch.empty_like(x)
        kept = (mean, variance, *weights, *activation)
        normalize_kernel[work.grid](x, y, *kept, **work.reading, **work.of_weights)
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
        sums_kernel[work.grid](x, gradient, totals, products, *kept, **work.reading, **work.of_weights)
        of_bias, of_weight, of_shift = x.new_empty(3, *x.shape[:2], dtype=torch.float32)
        shares = x.new_empty(2, *mean.shape, dtype=torch.float32)
        statistics = (mean, variance, of_channels, weight, ctx.activation[0])
        joined = (of_bias, of_weight, of_shift, *shares)
        w_sample = work.of_weights["w_sample"]
        join_sums_kernel[(mean.numel(),)](totals, products, *statistics, *joined, w_sample=w_sample, **work.joining)
        of_x = torch.empty_like(x)
        gradient_kernel[work.grid](x, gradient, of_x, *shares, *kept, **work.reading, **work.of_weights)
        if weight.ndim == 1:
            of_weight, of_bias = of_weight.sum(0), of_bias.sum(0)
        of_shift = None if shift is None else of_shift.sum(0).to(shift.dtype)
        return of_x, of_weight.to(weight.dtype), of_bias.to(bias.dtype), None, None, None, of_shift


@dataclass(frozen=True)
class Work:
    """How the programs share a feature, (N, C, voxels): each has some channels and a part of the voxels of a sample.

    Attributes:
        memory_format: In which the feature is computed: channels-last, or contiguous.
        grid: Number of programs.
        partial: Shape of what they leave for each sample, channel and part.
        reading: Arguments of the kernels that read features.
        joining: Arguments of the kernels that join the parts.
        of_weights: Arguments of those that read the weights of channels.
    """

    memory_format: torch.memory_format
    grid: tuple[int]
    partial: tuple[int, int, int]
    reading: dict[str, int]
    joining: dict[str, int]
    of_weights: dict[str, int]

    @classmethod
    def on(cls, x: Tensor, groups: int, weight: Tensor) -> "Work":
        samples, channels, voxels = *x.shape[:2], x[0, 0].numel()
        memory_format = _memory_format_of(x)
        beside = memory_format != torch.contiguous_format
        of_program = (CHANNELS[0] if channels <= CHANNELS[0] else CHANNELS[1]) if beside else 1
        tile, blocks = TILE // of_program, triton.cdiv(channels, of_program)
        steps = triton.cdiv(triton.cdiv(voxels, tile), max(1, PROGRAMS // (samples * blocks)))
        parts = triton.cdiv(voxels, steps * tile)
        strides = (1, channels) if beside else (voxels, 1)
        size = {"channels": channels, "voxels": voxels, "parts": parts, "steps": steps, "num_warps": WARPS}
        of_group = triton.next_power_of_2(channels // groups)
        return cls(
            memory_format=memory_format,
            grid=(samples * blocks * parts,),
            partial=(samples, channels, parts),
            reading={**size, "x_channel": strides[0], "x_voxel": strides[1], "CHANNELS": of_program, "VOXELS": tile},
            joining={**size, "groups": groups, "OF_GROUP": of_group, "PARTS": PARTS, "VOXELS": tile},
            of_weights={"groups": groups, "w_sample": channels if weight.ndim == 2 else 0},
        )

    def laid(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=self.memory_format)


def check(device: torch.device) -> None:
    """Run every kernel once on a tiny feature, with a shift of its channels and without.

    Raises:
        Exception: Whatever Triton raises where it cannot compile; ValueError: a result is wrong.
    """
    values = torch.arange(2 * 4 * 30, dtype=torch.float32, device=device).sin().view(2, 4, 5, 6)
    weight, bias = torch.ones(4, device=device), torch.zeros(4, device=device)
    shift = torch.arange(4, dtype=torch.float32, device=device)
    for memory_format, given in ((torch.contiguous_format, None), (torch.channels_last, shift)):
        x = values.clone(memory_format=memory_format).requires_grad_()
        y, *_ = NormAndActivation.apply(x, weight, bias, 2, 1e-5, 0.1, given)
        (y * values.cos()).sum().backward()
        plain = values.clone().requires_grad_()
        moved = plain if given is None else plain + given.view(4, 1, 1)
        expected = torch.nn.functional.leaky_relu(torch.nn.functional.group_norm(moved, 2), 0.1)
        (expected * values.cos()).sum().backward()
        if not torch.allclose(y, expected, atol=1e-4) or not torch.allclose(x.grad, plain.grad, atol=1e-4):
            raise ValueError("DAR-218: a Triton kernel computes a wrong norm on this device")


def _memory_format_of(x: Tensor) -> torch.memory_format:
    """Return the channels-last format of a feature that lies so and in no other format, else contiguous."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if x.ndim in formats and not x.is_contiguous() and x.is_contiguous(memory_format=formats[x.ndim]):
        return formats[x.ndim]
    return torch.contiguous_format
