"""One training on several devices: the ranks that share it, what they sum, and what is each one's own.

A process that was not launched as one of several is rank 0 of 1, and nothing here changes what it computes. Gradients
are summed after the backward rather than by DistributedDataParallel's wrapper: soft Dice of a joint batch is no mean of
the ranks' losses, and a translator's two optimizers share one forward pass.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx


def count() -> int:
    """Return how many ranks share the training."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def number() -> int:
    """Return which of them this process is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def purpose(*words: str | int) -> tuple[str | int, ...]:
    """Return the purpose of a draw (see `generator_for`) that is this rank's own: no sample is drawn twice."""
    return (*words, "rank", number()) if count() > 1 else words


def local_batch_size(batch_size: int, key: str) -> int:
    """Return this rank's part of a batch.

    Args:
        key: The configuration's name for it, for the error.

    Raises:
        ValueError: It does not divide by the ranks.
    """
    if batch_size % count():
        raise ValueError(
            f"DAR-213: {key} is {batch_size} and gpus_per_training {count()}; expected a batch that divides by "
            "it: change one of them"
        )
    return batch_size // count()


def summed(x: Tensor) -> Tensor:
    """Return the sum of a tensor over the ranks; its gradient is the sum of theirs."""
    return _Summed.apply(x) if count() > 1 else x


class _Summed(Function):
    @staticmethod
    def forward(_: FunctionCtx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


@torch.no_grad()
def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by its sum over the ranks, all in one message."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)])


@torch.no_grad()
def mean(x: Tensor) -> Tensor:
    """Return the mean of a tensor over the ranks."""
    if count() == 1:
        return x
    total = x.clone()
    dist.all_reduce(total)
    return total / count()
