"""Compile the Triton kernels for compute capability 9.0 as calls on a card would, without one and without a launch.

Prints a JSON list: kernel, and the widest load that it makes, in bytes per thread.
"""

import json
import re

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

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)

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
        raise NotImplementedError


def widest_load(assembly: str) -> int:
    widths = [
        int(copied, 0) if copied else int(values or 1) * int(bits) // 8
        for values, bits, copied in LOAD.findall(assembly)
    ]
    return max(widths)


def compiled(calls: list) -> list[tuple[str, int]]:
    """Return name and widest load of each kernel that the calls compile; results are left empty."""
    found = {}
    run = JITFunction.run

    def compile_only(kernel, *args, **kwargs):
        made = run(kernel, *args, **(kwargs | {"warmup": True}))
        found[id(made)] = kernel.fn.__name__, widest_load(made.asm["ptx"])
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


def quartet_attention() -> None:
    x, *pooled = MaxAndMean.apply(torch.empty(1, 16, 2, 16, 16, dtype=torch.bfloat16, requires_grad=True))
    maps = [p[:, :1].sum(1).unsqueeze(axis) for axis, p in enumerate(pooled, start=1)]
    WeighByMeanMap.apply(x, *maps).sum().backward()


if __name__ == "__main__":
    driver.set_active(NoCard())
    print(json.dumps(compiled([lambda: norm(False), lambda: norm(True), quartet_attention])))
