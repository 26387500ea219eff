"""Where the computation runs, and in which precision."""

from contextlib import AbstractContextManager

import torch


def prepare_device(device: str, threads: int) -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda", and let the CPU use `threads` threads.

    Raises:
        ValueError: "cuda" was asked for and torch finds no GPU.
    """
    torch.set_num_threads(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device: cuda was asked for, but torch finds no GPU; use device: cpu or install a CUDA build of torch"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and products: "auto" is bfloat16 on a GPU that computes it natively.

    Weights, losses and optimisers stay in float32 (torch.autocast). On a CPU "auto" is float32, so that every CPU
    gives the same results.
    """
    if precision == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bfloat16" if native else "float32"
    return getattr(torch, precision)


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Return the context in which a forward pass computes in `dtype`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)
