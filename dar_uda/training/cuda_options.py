"""Which form of an operation a GPU computes, where only a measurement on a card can decide: all such choices.

A CPU has forms of its own, which nothing here changes. `python -m benchmarks.gpu` compares the forms of each field in
the row that the field names. An H200 has decided all fields together: with the forms that hold now DAR-UNet's step of
2 x 32 x 256 x 256 takes 0.0995 s, with torch's plain forms 0.245 s; the translator's of 4 x 512 x 512 takes 0.0639 s
and 0.134 s (`benchmarks/gpu/measured`, 60605f7 and c4271d4). Of one field alone the other value took, where DAR-UNet's
step took 0.0997 s (91fd01d): `captured_steps` 0.211 s, `norm_kernels` 0.143 s, `joint_batch_norm` 0.121 s,
`channels_last` 0.113 s, `quartet_kernels` 0.110 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class CudaOptions:
    """The forms that a GPU computes. All forms of a field give the same values and gradients to rounding."""

    norm_kernels: bool = True
    """Norms with their LeakyReLU are Triton kernels; row `choice norm_kernels`.

    Where Triton does not work, those of torch's operations take over, see `layers/norm.py`.
    """

    quartet_kernels: bool = True
    """Quartet attention pools and weighs by Triton kernels; row `choice quartet_kernels`.

    Where Triton does not work, the forms of torch's operations take over, see `quartet_maxima`.
    """

    quartet_maxima: Literal["argmax", "marks"] = "argmax"
    """How quartet attention finds its maxima in the backward; row `choice quartet_maxima`.

    `argmax` keeps their places from the forward; `marks` compares again in the backward, as a CPU does.
    """

    map_convolution: Literal["conv3d", "slices", "blocks"] = "blocks"
    """The 7 x 7 x 7 convolution of a quartet map; row `choice map_convolution`.

    `slices` takes 2D convolutions, one output channel per depth tap, as a CPU does. `blocks` makes 4 x 4 x 4 voxels the
    channels of a 3 x 3 x 3 convolution, which fills tensor cores with five times the products.
    """

    joint_batch_norm: bool = True
    """Batch norm of one rank by the formula for several; row `choice joint_batch_norm`.

    torch launches one block per channel, and the maps of quartet attention have one channel.
    """

    channels_last: bool = True
    """Features of 8 channels or a multiple are channels-last; row `choice channels_last`.

    Quartet attention turns them there and back. Images and scores, with other numbers of channels, are contiguous.
    """

    captured_steps: bool = True
    """Trainings of one rank replay forward and backward of a step as CUDA graphs, see `dar_uda.training.cuda_graphs`;
    row `choice captured_steps`.

    Those of CycleGAN and SynSeg-Net do not: their pool of images belongs to the CPU, in the middle of a step.
    """

    captured_windows: bool = False
    """Predictions replay the forward of full batches of windows as a CUDA graph, see `WindowScores`; row
    `choice captured_windows`, not measured yet. Without it the card computes in 42 % of the time that nine windows take
    (row `windows of a slab` of stage `kernels`, 91fd01d): what is left could at best become 2.4 times as fast.
    """


_made = CudaOptions()


def made() -> CudaOptions:
    """Return the choices that hold now."""
    return _made


@contextmanager
def choosing(**fields: bool | str) -> Iterator[CudaOptions]:
    """Within the block these fields of `CudaOptions` differ, in all threads: for benchmarks and tests."""
    global _made
    before = _made
    _made = replace(before, **fields)
    try:
        yield _made
    finally:
        _made = before


def on_cuda(x: Tensor) -> bool:
    """Return whether operations on a tensor take their forms for GPUs."""
    return x.device.type == "cuda"
