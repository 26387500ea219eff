"""The optimiser of both trainings."""

import io
from collections.abc import Iterable
from contextlib import redirect_stdout

from adabelief_pytorch import AdaBelief
from torch import nn


def adabelief(
    parameters: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float], weight_decay: float = 0.0
) -> AdaBelief:
    """Return rectified AdaBelief with decoupled weight decay, without its banner on the terminal."""
    with redirect_stdout(io.StringIO()):
        return AdaBelief(
            list(parameters),
            lr=learning_rate,
            betas=betas,
            eps=1e-16,
            weight_decay=weight_decay,
            weight_decouple=True,
            rectify=True,
            print_change_log=False,
        )
