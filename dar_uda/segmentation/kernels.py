"""Whether the Triton kernels of this package work here; where they do not, torch's operations take over."""

import logging
from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

PRECISIONS = (torch.bfloat16, torch.float32)


def kernels_for(x: Tensor, chosen: bool, name: str) -> ModuleType | None:
    """Return the kernels' module of this name if they are chosen, take a tensor like x, and work on its device."""
    return _working(name, x.device) if chosen and x.dtype in PRECISIONS else None


@cache
def _working(name: str, device: torch.device) -> ModuleType | None:
    """Return the module after its `check` has run on the device, else None and the reason in the log, once.

    Triton is missing, or it finds no C compiler, no Python.h, or a card that it does not know: each raises another
    exception, and none of them is a reason to stop a training.
    """
    try:
        module = import_module(f"dar_uda.segmentation.{name}")
        module.check(device)
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        logging.getLogger(__name__).warning("%s: torch's operations take over, Triton fails: %s", name, reason)
        return None
    return module
