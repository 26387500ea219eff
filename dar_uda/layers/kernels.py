"""Whether the Triton kernels of this package work here; where they do not, torch's operations take over."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, wraps
from types import ModuleType

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

PRECISIONS = (torch.bfloat16, torch.float32)


def on_its_device(forward: Callable) -> Callable:
    """Have the forward of a `Function` launch its kernels where its first tensor lies.

    Triton launches on the thread's current GPU. In a backward torch has made that the one of the tensors.
    """

    @wraps(forward)
    def launched(ctx: FunctionCtx, x: Tensor, *others: object) -> object:
        with torch.cuda.device_of(x):
            return forward(ctx, x, *others)

    return launched


def kernels_for(x: Tensor, load: Callable[[], ModuleType]) -> ModuleType | None:
    """Return a module of kernels if they take a tensor like x and work on its device.

    Args:
        load: Imports the module, which has a function `check(device)`.
    """
    return _working(load, x.device) if x.dtype in PRECISIONS else None


@cache
def _working(load: Callable[[], ModuleType], device: torch.device) -> ModuleType | None:
    """Return the module after its `check` has run on the device, else None and the reason in the log, once.

    Triton is missing, or it finds no C compiler, no Python.h, or a card that it does not know: each raises another
    exception, and none of them is a reason to stop a training. The check computes gradients, also where the caller
    does without.
    """
    try:
        kernels = load()
        with torch.inference_mode(False), torch.enable_grad(), _kept_as_they_are():
            kernels.check(device)
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        logging.getLogger(__name__).warning("DAR-218: torch's operations take over, Triton fails: %s", reason)
        return None
    return kernels


def _kept_as_they_are() -> AbstractContextManager:
    """Return the context in which a backward of its own works, also within a block that is recomputed.

    There its tensors would be the block's, made again by a second pass through the block.
    """
    return torch.autograd.graph.saved_tensors_hooks(lambda kept: kept, lambda kept: kept)
