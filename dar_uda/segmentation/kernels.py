"""Whether the Triton kernels of this package work here; where they do not, torch's operations take over."""

import logging
from contextlib import AbstractContextManager
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from dar_uda.training import choices

PRECISIONS = (torch.bfloat16, torch.float32)


def quartet_kernels_for(x: Tensor) -> ModuleType | None:
    """Return the kernels of quartet attention if they are chosen, take a tensor like x, and work on its device."""
    return _working(x.device) if choices.made().quartet_kernels and x.dtype in PRECISIONS else None


@cache
def _working(device: torch.device) -> ModuleType | None:
    """Return the module after its `check` has run on the device, else None and the reason in the log, once.

    Triton is missing, or it finds no C compiler, no Python.h, or a card that it does not know: each raises another
    exception, and none of them is a reason to stop a training.
    """
    try:
        from dar_uda.segmentation import quartet_kernels

        with _kept_as_they_are():
            quartet_kernels.check(device)
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        logging.getLogger(__name__).warning("torch's operations take over, Triton fails: %s", reason)
        return None
    return quartet_kernels


def _kept_as_they_are() -> AbstractContextManager:
    """Return the context in which a backward of its own works, also within a block that is recomputed.

    There its tensors would be the block's, made again by a second pass through the block.
    """
    return torch.autograd.graph.saved_tensors_hooks(lambda kept: kept, lambda kept: kept)
