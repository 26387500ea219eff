"""The optimizer of both trainings."""

import io
import math
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout

import torch
from adabelief_pytorch import AdaBelief
from torch import Tensor, nn

from dar_uda.training import distributed


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Do one update of the optimizer's parameters along the gradient of a loss.

    Args:
        loss: Of several ranks each one's summand of their joint loss.
    """
    differentiate(optimizer, loss)
    _step(optimizer)


def differentiate(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Give the optimizer's parameters the gradient of a loss in place of what they had."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()


def descend_in_turn(gradients: Iterable[dict[str, Tensor]], *optimizers: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Do one update of each optimizer as soon as its parameters have their gradients.

    Args:
        gradients: Makes those of one optimizer after another, and yields named values after each.

    Returns:
        All that it yielded.
    """
    found: dict[str, Tensor] = {}
    for values, optimizer in zip(gradients, optimizers, strict=True):
        _step(optimizer)
        found |= values
    return found


def _step(optimizer: torch.optim.Optimizer) -> None:
    distributed.sum_gradients(parameter for group in optimizer.param_groups for parameter in group["params"])
    optimizer.step()


class ForeachAdaBelief(AdaBelief):
    """Rectified AdaBelief with decoupled weight decay, all tensors of a group in each operation.

    Same state and update as adabelief-pytorch's, in a few hundred dispatched operations instead of thousands.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Do one update; see the base class."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            by_step: dict[int, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_step.setdefault(self._state_of(parameter)["step"] + 1, []).append(parameter)
            for step, parameters in by_step.items():
                self._update(group, parameters, step)
        return loss

    def _update(self, group: dict, parameters: list[nn.Parameter], step: int) -> None:
        (beta1, beta2), eps, rate = group["betas"], group["eps"], group["lr"]
        states = [self.state[p] for p in parameters]
        gradients = [p.grad for p in parameters]
        averages, variances = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_var"))
        for state in states:
            state["step"] = step

        torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        torch._foreach_lerp_(averages, gradients, 1 - beta1)
        residuals = torch._foreach_sub(gradients, averages)
        torch._foreach_mul_(variances, beta2)
        torch._foreach_addcmul_(variances, residuals, residuals, value=1 - beta2)
        torch._foreach_add_(variances, eps)
        size, certain = rectified_size(step, beta1, beta2)
        if not certain:
            torch._foreach_add_(parameters, averages, alpha=-size * rate)
            return
        roots = torch._foreach_sqrt(variances)
        torch._foreach_add_(roots, eps)
        torch._foreach_addcdiv_(parameters, averages, roots, value=-size * rate)

    def _state_of(self, parameter: nn.Parameter) -> dict:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_var"):
                state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state


def rectified_size(step: int, beta1: float, beta2: float) -> tuple[float, bool]:
    """Return the size of step number `step` (from 1), and whether the variance is certain enough to divide by.

    Rectification of Liu et al. 2020 (RAdam), as adabelief-pytorch has it.
    """
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / (1 - beta2**step)
    correction = 1 - beta1**step
    if length < 5:
        return 1 / correction, False
    variance = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    return math.sqrt((1 - beta2**step) * variance) / correction, True


def adabelief(
    parameters: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float], weight_decay: float = 0.0
) -> ForeachAdaBelief:
    """Return rectified AdaBelief with decoupled weight decay, without its banner on the terminal."""
    with redirect_stdout(io.StringIO()):
        return ForeachAdaBelief(
            list(parameters),
            lr=learning_rate,
            betas=betas,
            eps=1e-16,
            weight_decay=weight_decay,
            weight_decouple=True,
            rectify=True,
            print_change_log=False,
        )
