"""Exponential moving average of weights."""

import copy

import torch
from torch import nn


class MovingAverage:
    """Averaged copy of a module; starts as the module itself.

    At update n the decay is min(decay, (1 + n) / (10 + n)), so that short trainings forget the random start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards `module`, and take its buffers; `step` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged = list(self.module.parameters())
        torch._foreach_lerp_(averaged, [p.detach() for p in module.parameters()], 1 - decay)
        for kept, buffer in zip(self.module.buffers(), module.buffers(), strict=True):
            kept.copy_(buffer)
