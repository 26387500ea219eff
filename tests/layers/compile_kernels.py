"""Compile the Triton kernels for a compute capability as calls on a card would, without one and without a launch.

    python compile_kernels.py 90 small

Prints a JSON list: kernel, the widest load that it makes, in bytes per thread, and its shared memory in bytes.
"""

import json
import re
import sys
from functools import partial

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from dar_uda.layers.norm_kernels import NormAndActivation
from dar_uda.segmentation.quartet_kernels import MaxAndMean, WeighByMeanMap

LOAD = re.compile(
    r"ld\.global(?:\.[\w:]+?)*?(?:\.v(\d))?\.b(\d+)|cp\.async\.\w+\.shared\.global \[[^]]*\], \[[^]]*\], (\w+)"
)


class NoCard(DriverBase):
    """What a kernel asks of a driver before its launch."""

    def __init__(self, capability):
        self.target = GPUTarget("cuda", capability, 32)

    def get_current_target(self):
        return self.target

    def get_current_device(self):
        return 0

    def get_current_stream(self, _):
        return 0

    @staticmethod
    def is_active():
        return True

    def map_python_to_cpp_type(self, name):
        return name

    def get_active_torch_device(self):
        return torch.device("cpu")

    def get_benchmarker(self):
        raise AssertionError("nothing is timed without a card")


def widest_load(assembly: str) -> int:
    widths = [
        int(copied, 0) if copied else int(values or 1) * int(bits) // 8
        for values, bits, copied in LOAD.findall(assembly)
    ]
    return max(widths)


def compiled(calls: list) -> list[tuple[str, int, int]]:
    """Return name, widest load and shared memory of each kernel that the calls compile; results are left empty."""
    found = {}
    run = JITFunction.run

    def compile_only(kernel, *args, **kwargs):
        made = run(kernel, *args, **(kwargs | {"warmup": True}))
        found[id(made)] = kernel.fn.__name__, widest_load(made.asm["ptx"]), made.metadata.shared
        return made

    JITFunction.run = compile_only
    for call in calls:
        call()
    return list(found.values())


def norm(shift: bool) -> None:
    x = torch.empty(2, 16, 2, 16, 16, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last_3d)
    weight, bias = torch.empty(2, 16, requires_grad=True)
    shift = torch.empty(16, requires_grad=True) if shift else None
    y, *_ = NormAndActivation.apply(x.requires_grad_(), weight, bias, 2, 1e-5, 0.1, shift)
    y.sum().backward()


def quartet_attention(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x, *pooled = MaxAndMean.apply(torch.empty(1, *shape, dtype=dtype, requires_grad=True))
    maps = [p[:, :1].sum(1).unsqueeze(axis) for axis, p in enumerate(pooled, start=1)]
    WeighByMeanMap.apply(x, *maps).sum().backward()


CALLS = {
    "small": [partial(norm, False), partial(norm, True), partial(quartet_attention, (16, 2, 16, 16), torch.bfloat16)],
    "large": [partial(quartet_attention, (512, 2, 2, 2048), torch.float32)],
}

if __name__ == "__main__":
    driver.set_active(NoCard(int(sys.argv[1])))
    print(json.dumps(compiled(CALLS[sys.argv[2]])))
