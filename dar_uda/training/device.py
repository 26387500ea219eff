"""Where the computation runs, and in which precision."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch

from dar_uda.training.gpu_lease import lease_gpus

CPU_INFO = Path("/proc/cpuinfo")


def prepare_device(device: str, threads: int) -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda", see `lease_devices`; let the CPU use `threads` threads."""
    return use_device(lease_devices(device)[0], threads)


def lease_devices(device: str, count: int = 1) -> list[str]:
    """Return torch's names of `count` devices for "auto", "cpu" or "cuda".

    GPUs are this process's alone among the jobs of this user, see `lease_gpus`. The CPU is named `count` times.

    Raises:
        ValueError: "cuda" was asked for and torch finds no GPU, or more GPUs than there are.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device: cuda was asked for, but torch finds no GPU; use device: cpu or install a CUDA build of torch"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return ["cpu"] * count
    return [f"cuda:{index}" for index in lease_gpus(count, torch.cuda.device_count())]


def use_device(name: str, threads: int) -> torch.device:
    """Return the torch device of this name as the process's own, and let the CPU use `threads` threads."""
    torch.set_num_threads(threads)
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and products: "auto" is bfloat16 where the device computes it natively.

    That is a GPU that has it, or a CPU with AMX. Weights, losses and optimisers stay in float32 (torch.autocast).
    """
    if precision == "auto":
        precision = "bfloat16" if _computes_bfloat16(device) else "float32"
    return getattr(torch, precision)


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return CPU_INFO.exists() and "amx_bf16" in CPU_INFO.read_text()


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Return the context in which a forward pass computes in `dtype`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)
