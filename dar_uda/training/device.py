"""Where the computation runs."""

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
