"""What every training is told alike, and the frame in which it runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from dar_uda.jobs.checkpoints import checkpoints_of
from dar_uda.training import distributed
from dar_uda.training.checkpoint import CheckpointFolder, identity_of
from dar_uda.training.device import choose_precision, use_device
from dar_uda.training.loop import Trainer, run_training, write_history
from dar_uda.training.tensorboard import TensorBoard

PACE = ("checkpoint_every", "preview_every")
"""Settings that change nothing in what is trained."""


class OtherRank(Exception):
    """A rank that writes nothing has done its part of a training."""


@dataclass(frozen=True)
class Job:
    """Seed, code and computing device of a training.

    Args:
        code: Version of the code behind the training; a checkpoint of another version is not resumed.
        dtype: Of convolutions and products.
        activation_checkpointing: Segmenters keep less of the forward pass and compute it again in the backward.
        tensorboard: Write what trainings report for TensorBoard too.
        keep_checkpoints: Leave a finished training's: who runs the job removes them when all else is written.
    """

    seed: int
    code: str
    device: torch.device
    dtype: torch.dtype
    activation_checkpointing: bool = False
    tensorboard: bool = False
    keep_checkpoints: bool = False

    @classmethod
    def prepare(
        cls,
        seed: int,
        code: str,
        threads: int,
        device: str,
        precision: str,
        activation_checkpointing: bool = False,
        tensorboard: bool = False,
        keep_checkpoints: bool = False,
    ) -> "Job":
        """Return the job on a device of torch's and in the precision named; see `use_device` and `choose_precision`."""
        where = use_device(device, threads)
        dtype = choose_precision(precision, where)
        return cls(seed, code, where, dtype, activation_checkpointing, tensorboard, keep_checkpoints)

    @contextmanager
    def training(
        self,
        name: str,
        trainer: Trainer,
        steps: int,
        settings: Mapping[str, Any],
        history: str | Path,
        inputs: Sequence[str | Path],
        picture: Callable[[], NDArray] | None = None,
        **choices: Any,
    ) -> Iterator[None]:
        """Train to the end, then run the block, which writes what was made; after it the checkpoints go, or are kept.

        Of several ranks the first alone locks the folder, saves, and runs the block.

        Args:
            name: For the log.
            settings: The training's branch of the configuration, with `checkpoint_every`.
            history: Output, TSV: one row per step, one column per loss; see `checkpoints_of`.
            inputs: Files the training reads.
            picture: Draws what TensorBoard shows at every checkpoint, (H, W, 3) in [0, 1]; None: it shows the
                previews that the training draws itself.
            choices: All else on which the training depends: with the settings, the inputs' contents and this job it
                is what a checkpoint must agree in to be resumed.

        Raises:
            OtherRank: This is another rank, and it is done.
        """
        kept = {key: value for key, value in settings.items() if key not in PACE}
        computing = {"seed": self.seed, "code": self.code, "device": self.device.type, "dtype": self.dtype}
        identity = identity_of({**choices, **computing, "steps": steps, "settings": kept}, inputs)
        checkpoints = CheckpointFolder(checkpoints_of(history), identity, self.keep_checkpoints)
        if distributed.number() > 0:
            run_training(name, trainer, steps, checkpoints, settings["checkpoint_every"])
            raise OtherRank
        shown = TensorBoard(history, picture, settings["checkpoint_every"]) if self.tensorboard else nullcontext()
        with checkpoints, shown as board:
            report = board.report if board else None
            losses = run_training(name, trainer, steps, checkpoints, settings["checkpoint_every"], report)
            yield
            write_history(losses, history)
