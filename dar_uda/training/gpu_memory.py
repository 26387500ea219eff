"""Work that goes on where a GPU's memory does not hold it."""

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

logger = logging.getLogger(__name__)
CPU = torch.device("cpu")
SIGNS = ("CUDA error: out of memory", "ALLOC_FAILED", "DEVICE_ALLOCATION_FAILED", "unable to find an engine")
"""Of too little memory: of CUDA, of cuBLAS and cuDNN, and of torch where no algorithm of cuDNN had room to work in."""
T = TypeVar("T")


def within_memory(work: Callable[[torch.device, int], T], name: str, device: torch.device, batch_size: int) -> T:
    """Return `work(device, batch_size)`; if the GPU's memory is too small, `work(device, 1)`, and then that of the CPU.

    Args:
        work: Given a device and a number of windows per pass, does the whole again.
        name: What it is done to, for the log.
    """
    if device.type != "cuda":
        return work(device, batch_size)
    for windows in dict.fromkeys([batch_size, 1]):
        try:
            return work(device, windows)
        except RuntimeError as error:
            if not lacks_gpu_memory(error):
                raise
            reason = str(error).partition("\n")[0]
        gc.collect()  # the error is gone, and with it what its frames held
        torch.cuda.empty_cache()
        remedy = "with one window at a time" if windows > 1 else "on the CPU"
        logger.warning("DAR-217: %s: the GPU's memory is too small (%s): going on %s", name, reason, remedy)
    return work(CPU, batch_size)


def lacks_gpu_memory(error: RuntimeError) -> bool:
    """Return whether torch, CUDA or one of its libraries found too little memory on a GPU."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in SIGNS)
