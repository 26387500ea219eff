"""Where the computation runs, and in which precision."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

from dar_uda.jobs.gpu_lease import lease_gpus

logger = logging.getLogger(__name__)
CPU_INFO = Path("/proc/cpuinfo")
AMPERE = (8, 0)
WRONG_CUDNN = range(90800, 91500)
"""9.8 to 9.14: 3D convolutions of contiguous bfloat16 can be wrong without an error (pytorch issue 163539)."""


def prepare_device(device: str, threads: int) -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda", see `lease_devices`; let the CPU use `threads` threads."""
    return use_device(lease_devices(device)[0], threads)


def lease_devices(device: str, count: int = 1) -> list[str]:
    """Return torch's names of `count` devices for "auto", "cpu" or "cuda".

    GPUs are this process's alone among the jobs of this user, see `lease_gpus`. The CPU is named `count` times.

    Raises:
        ValueError: "cuda" was asked for and torch finds no GPU, or more GPUs than there are.
    """
    if find_device(device) == "cpu":
        return ["cpu"] * count
    return [f"cuda:{index}" for index in lease_gpus(count, gpu_names())]


def find_device(device: str) -> str:
    """Return torch's name of a device for "auto", "cpu", "cuda" or a name of torch's: of GPUs the current one.

    Raises:
        ValueError: A GPU was asked for and torch finds none.
    """
    available = torch.cuda.is_available()
    if device.startswith("cuda") and not available:
        raise ValueError(
            f"DAR-210: device: {device} was asked for, but torch finds no GPU; use device: cpu or install a CUDA build "
            "of torch"
        )
    if device == "auto":
        device = "cuda" if available else "cpu"
    return f"cuda:{torch.cuda.current_device()}" if device == "cuda" else device


def gpu_names(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a name of every GPU that torch sees, in torch's order, the same in every process.

    That is the GPU's UUID, whatever `CUDA_VISIBLE_DEVICES` calls it. Instances of MIG go by the names given there: the
    UUID that torch reads may be that of the GPU they share.
    """
    count = torch.cuda.device_count()
    visible = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    if visible[0].startswith("MIG-"):
        return visible[:count]
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]


def use_device(name: str, threads: int) -> torch.device:
    """Return the torch device of this name as the process's own, and let the CPU use `threads` threads.

    On a GPU, cuDNN tries its algorithms at the first convolution of a shape and takes the fastest: shapes repeat.
    """
    torch.set_num_threads(threads)
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
    return device


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and products: "auto" is bfloat16 where the device computes it natively.

    That is a GPU that has it, with a cuDNN that computes it right, or a CPU with AMX. Weights, losses and optimizers
    stay in float32 (torch.autocast).

    Raises:
        ValueError: "bfloat16" was asked for, and the GPU or its cuDNN does not compute it.
    """
    if device.type == "cuda" and precision != "float32":
        problem = bfloat16_problem(torch.cuda.get_device_capability(device), torch.backends.cudnn.version())
        if problem and precision == "bfloat16":
            raise ValueError(
                f"DAR-215: precision: bfloat16 was asked for, but {problem}; use precision: float32 or auto"
            )
        if problem:
            logger.warning("DAR-216: precision: auto takes float32: %s", problem)
        return torch.float32 if problem else torch.bfloat16
    if precision == "auto":
        precision = "bfloat16" if _has_amx() else "float32"
    return getattr(torch, precision)


def bfloat16_problem(capability: tuple[int, int], cudnn: int | None) -> str | None:
    """Return why a GPU does not compute in bfloat16, and what helps; None where it does.

    Args:
        capability: The GPU's compute capability.
        cudnn: As `torch.backends.cudnn.version()` has it: 91002 is 9.10.2; None: there is none.
    """
    if capability < AMPERE:
        found, needed = (".".join(map(str, version)) for version in (capability, AMPERE))
        return f"the GPU has compute capability {found} and bfloat16 needs {needed} (Ampere)"
    if cudnn in WRONG_CUDNN:
        version = f"{cudnn // 10000}.{cudnn // 100 % 100}.{cudnn % 100}"
        return (
            f"cuDNN {version} can compute 3D convolutions in bfloat16 wrong, as 9.8 to 9.14 do: install 9.15 or later "
            "(pip install -U nvidia-cudnn-cu12, or -cu13 for CUDA 13)"
        )
    return None


def _has_amx() -> bool:
    return CPU_INFO.exists() and "amx_bf16" in CPU_INFO.read_text()


def prediction_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype in which networks predict: `choose_precision` on a GPU, float32 on a CPU."""
    return choose_precision(precision, device) if device.type == "cuda" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Return the context in which a forward pass computes in `dtype`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Within the block, GPUs compute float32 as float32; else convolutions round their inputs to TF32, as torch does.

    By torch's older switches alone: it refuses to read them where a program uses the newer ones (`fp32_precision`) too.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = False
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before
