"""Losses of the translator: pure functions, tensors in, a scalar out."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor


def least_squares_gan_loss(scores: Iterable[Tensor], *, real: bool) -> Tensor:
    """Return the mean squared distance of patch scores from 1 (real) or 0 (fake), summed over the scales."""
    return sum((_precise(score) - float(real)).square().mean() for score in scores)


def paired_l1(first: Iterable[Tensor], second: Iterable[Tensor]) -> Tensor:
    """Return the mean absolute difference of each pair, summed over the pairs (one per domain)."""
    return sum(F.l1_loss(_precise(a), _precise(b)) for a, b in zip(first, second, strict=True))


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
