"""Layers one after the other, where a norm adds the bias of the convolution before it."""

from abc import ABC, abstractmethod
from itertools import pairwise

from torch import Tensor, nn

from dar_uda.training import cuda_options


class Convolution(nn.Module, ABC):
    """Base of convolutions that can leave their bias to others."""

    bias: nn.Parameter

    @abstractmethod
    def without_bias(self, x: Tensor) -> Tensor:
        """Return the convolution alone."""


class Norm(nn.Module):
    """Base of norms whose `forward(x, shift)` returns, on a GPU, the norm of x plus a shift of each channel, (C,).

    A CPU adds the shift before: see `Chain`.
    """


class Chain(nn.Sequential):
    """`nn.Sequential`; on a GPU the bias of a convolution is the shift of the norm that follows it.

    There torch adds a bias in a pass over the feature, and sums its gradient in another; norms do both on their way.
    """

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """Return what the layers make of x, plus a shift of each channel if there is one: the first is a norm then."""
        if not cuda_options.on_cuda(x):
            return super().forward(x if shift is None else x + of_channels(shift, x))
        for layer, following in pairwise([*self, None]):
            leaves = isinstance(layer, Convolution) and isinstance(following, Norm)
            x = layer.without_bias(x) if leaves else layer(x) if shift is None else layer(x, shift)
            shift = layer.bias if leaves else None
        return x

    def but_last_bias(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the layers make of x without the bias of the last, a convolution, and that bias."""
        *others, last = self
        return last.without_bias(Chain(*others)(x)), last.bias


def of_channels(shift: Tensor, x: Tensor) -> Tensor:
    """Return (C,) in the precision of x, (N, C, ...), and as it broadcasts to it."""
    return shift.to(x.dtype).view(-1, *(1 for _ in range(2, x.ndim)))
