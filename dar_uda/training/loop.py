"""The loop all trainings share: resume, update, record, checkpoint."""

import logging
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor

from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress
from dar_uda.training import distributed
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.prefetch import Batch, Prefetcher
from dar_uda.training.readout import Readout, Row

logger = logging.getLogger(__name__)
EXPLODED = 1e6
"""A loss beyond this does not come back; those of this project lie below 100."""
ADVICE = (
    "the training diverges. Its last checkpoint stays. Try half of its learning rate (a GAN's discriminators have "
    "their own), precision=float32, or look at what it reads (dar-uda check)"
)


class Terminated(Exception):
    """The process got SIGTERM, as from a queue at its time limit, and has saved a checkpoint."""


class Trainer(Protocol):
    """What the loop needs of a training."""

    device: torch.device

    def update(self, step: int) -> dict[str, Tensor]:
        """Do update number `step` (from 0) and return its named losses: scalars on the device, not waited for."""

    def state(self) -> dict[str, Any]:
        """Return everything that updates change."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""

    def close(self) -> None:
        """End what the trainer has running beside its updates."""


class TrainerOfParts(ABC):
    """A trainer that is changed by updates in its parts alone: networks, optimizers and what else has a state dict.

    Its constructor makes `batches`, from which `update` gets what `_draw` draws.
    """

    batches: Prefetcher

    @abstractmethod
    def _draw(self, step: int) -> Batch:
        """Return the batch of a step, on the device."""

    @abstractmethod
    def _parts(self) -> dict[str, Any]:
        """Return the parts by name."""

    def state(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def close(self) -> None:
        self.batches.close()


def run_training(
    name: str,
    trainer: Trainer,
    steps: int,
    checkpoints: CheckpointFolder,
    checkpoint_every: int,
    report: Callable[[int, dict[str, float]], None] | None = None,
) -> pd.DataFrame:
    """Train up to `steps` updates, from the last checkpoint where there is one, and return the history.

    Args:
        report: Called for every update with its number, from 1, and its losses; on a GPU when the next one has begun,
            and for those before a checkpoint after the last of them.

    Returns:
        One row per step: `step` (from 1) and the named losses.

    Raises:
        FloatingPointError: A loss exploded or is not finite, or a weight is not; the last checkpoint stays. On a GPU a
            loss is noticed one step later, and named by its own step.
        Terminated: After SIGTERM; a checkpoint of this step is saved.
    """
    first, history = _resume(name, trainer, checkpoints)
    progress, readout = Progress(name, steps, first), Readout(trainer.device)

    def keep(rows: list[Row]) -> bool:
        """Check, keep and report what steps report; return whether a rank is to end."""
        for step, losses, _ in rows:
            _check_losses(name, step, losses)
            history.append({"step": step + 1, **losses})
            progress.report(step + 1, losses)
            if report:
                report(step + 1, losses)
        return any(row.ends for row in rows)

    with _noticed_termination() as asked_to_end, closing(trainer):
        for step in range(first, steps):
            readout.add(step, trainer.update(step), bool(asked_to_end))
            last, ends = step + 1 == steps, keep(readout.read())
            if ends or last or (step + 1) % checkpoint_every == 0:
                ends = keep(readout.read(newest=True)) or ends
                state = trainer.state()
                _check_state(name, step, state)
                if not last and distributed.number() == 0:
                    checkpoints.save({"step": step + 1, "history": history, "trainer": state})
            if ends and not last:
                raise Terminated(
                    f"DAR-226: {name}: ended by SIGTERM after step {step + 1}; the same command goes on from there"
                )
    return pd.DataFrame(history)


def _resume(name: str, trainer: Trainer, checkpoints: CheckpointFolder) -> tuple[int, list[dict[str, float]]]:
    """Take back the last checkpoint; return how many steps are done, and their history.

    It is loaded on the CPU: parts copy it to where they are, and the step counts of torch's Adam have to stay there,
    where reading them waits for no GPU.
    """
    saved = checkpoints.load(torch.device("cpu"))
    if saved is None:
        return 0, []
    trainer.restore(saved["trainer"])
    logger.info("%s: resumed from the checkpoint at step %d", name, saved["step"])
    return saved["step"], saved["history"]


@contextmanager
def _noticed_termination() -> Iterator[list[int]]:
    """Within the block SIGTERM does not end the process but is noted in the list."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)


def write_history(history: pd.DataFrame, path: str) -> None:
    """Write the history as TSV."""
    with write_beside(path) as temporary:
        history.to_csv(temporary, sep="\t", index=False, float_format="%.6g")


def _check_losses(name: str, step: int, losses: dict[str, float]) -> None:
    bad = [f"{loss} is {value:.3g}" for loss, value in losses.items() if not abs(value) <= EXPLODED]
    if bad:
        raise FloatingPointError(f"DAR-223: {name}: {', '.join(bad)} at step {step + 1}: {ADVICE}")


def _check_state(name: str, step: int, state: dict[str, Any]) -> None:
    """A step may have a finite loss and leave weights that are not finite."""
    for part, values in state.items():
        if not all(bool(torch.isfinite(tensor).all()) for tensor in _tensors(values)):
            raise FloatingPointError(f"DAR-223: {name}: {part} is not finite after step {step + 1}: {ADVICE}")


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(entry)
