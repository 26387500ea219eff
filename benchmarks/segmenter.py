"""Quartet attention and the training step of DAR-UNet."""

import math
import statistics
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from benchmarks.gpu.rows import gpu_rows
from benchmarks.literal.attention import LiteralQuartetAttention
from benchmarks.literal.dar_unet import literal_dar_unet, literal_loss
from benchmarks.measure import Row, cpu_has_bfloat16, interleaved, peak_mib, timed_row
from dar_uda.segmentation.attention import QuartetAttention
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.training.optimizer import adabelief

CPU, CHANNELS = torch.device("cpu"), (16, 32, 64, 128, 256)
FEATURE, PATCH, LARGE_PATCH, BATCHES, CLASSES, FOCAL = (
    (1, 16, 32, 128, 128),
    (16, 128, 128),
    (32, 256, 256),
    (1, 2),
    5,
    10.0,
)

GFLOP_PER_VOXEL = 4564 / (32 * 256 * 256)
"""Forward and backward of DAR-UNet's convolutions."""


def rows() -> Iterator[Row]:
    """Yield the rows of attention, step and peak memory."""
    yield from attention_rows()
    for batch in BATCHES:
        yield from step_rows(batch)
    yield from memory_rows()
    yield from gpu_rows("segmenter_step")


def attention_rows() -> Iterator[Row]:
    torch.manual_seed(0)
    x, gradient = torch.randn(FEATURE), torch.randn(FEATURE)
    modules = {"literal": LiteralQuartetAttention(), "ours": QuartetAttention()}
    modules["ours"].load_state_dict(modules["literal"].state_dict())

    def pass_through(module: nn.Module) -> None:
        module(x.clone().requires_grad_()).backward(gradient)

    seconds = interleaved({name: lambda m=module: pass_through(m) for name, module in modules.items()}, repeats=9)
    yield timed_row(f"QAM, forward + backward, {_text(FEATURE)}", seconds, "ours", 0.15)
    kept = {name: _kept_mib(module, x) for name, module in modules.items()}
    yield Row("QAM, kept for the backward", "MiB", kept["literal"], kept["ours"], 0.35)


def step_rows(batch: int) -> Iterator[Row]:
    shape = (batch, 1, *PATCH)
    steps = {"literal": Step(shape, literal=True), "float32": Step(shape)}
    if cpu_has_bfloat16():
        steps["bfloat16"] = Step(shape, dtype=torch.bfloat16)
        steps["recomputed"] = Step(shape, dtype=torch.bfloat16, activation_checkpointing=True)
    seconds = interleaved(steps)
    size = f"DAR-UNet step, batch {batch}, {_text(PATCH)}"
    yield timed_row(f"{size}, float32", seconds, "float32", 0.65, note=_rate(seconds["float32"], shape))
    if "bfloat16" not in seconds:
        yield Row(f"{size}, bfloat16 autocast", "s", None, None, 0.30, "this CPU has no bfloat16")
        return
    yield timed_row(f"{size}, bfloat16 autocast", seconds, "bfloat16", 0.30, note=_rate(seconds["bfloat16"], shape))
    yield timed_row("same, recomputing, against not", seconds, "recomputed", 1.40, literal="bfloat16")


def memory_rows() -> Iterator[Row]:
    literal, autocast, recomputed = (
        peak_mib("benchmarks.peak_step", form) for form in ("literal", "autocast", "activation_checkpointing")
    )
    what = f"DAR-UNet step, peak memory, batch 1, {_text(LARGE_PATCH)}"
    yield Row(f"{what}, autocast", "MiB", literal, autocast, 0.45)
    yield Row(f"{what}, autocast, recomputing", "MiB", literal, recomputed, 0.20)


class Step:
    """One training step on fixed random patches; calling it does one."""

    def __init__(
        self,
        shape: tuple[int, ...],
        literal: bool = False,
        dtype: torch.dtype = torch.float32,
        activation_checkpointing: bool = False,
        device: torch.device = CPU,
        channels: Sequence[int] = CHANNELS,
    ) -> None:
        torch.manual_seed(0)
        labels = torch.randint(0, CLASSES, (shape[0], *shape[2:]))
        self.images, self.labels = torch.randn(shape).to(device), labels.to(device)
        self.literal, self.dtype, self.device = literal, dtype, device
        self.network = (literal_dar_unet if literal else DARUNet)(CLASSES, channels).to(device).train()
        if activation_checkpointing:
            self.network.checkpoint_activations()
        self.optimizer = adabelief(self.network.parameters(), 1e-4, (0.9, 0.999), 1e-4)

    def __call__(self) -> None:
        loss = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def _loss(self) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            outputs = self.network(self.images)
        if self.literal:
            return literal_loss(outputs, self.labels, FOCAL)
        return sum(segmentation_loss(scores, self.labels, FOCAL) for scores in outputs)


def _rate(seconds: list[float], shape: tuple[int, ...]) -> str:
    gflop = GFLOP_PER_VOXEL * math.prod(shape)
    return f"{gflop:.0f} GFLOP, {gflop / statistics.median(seconds):.0f} GFLOP/s"


def _kept_mib(module: nn.Module, x: torch.Tensor) -> float:
    kept: dict[int, torch.Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t), lambda t: t):
        module(x.clone().requires_grad_())
    return sum(tensor.nbytes for tensor in kept.values()) / 2**20


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
