"""What a training reports, as TensorBoard reads it: a copy for the eye that changes nothing in the training."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from numpy.typing import NDArray

PREVIEWS = "previews.png"
"""The picture that a translator's training draws beside its history."""
MISSING = (
    "DAR-211: tensorboard: true, but the package tensorboard is not installed where this training runs; install it "
    "there (pip install tensorboard), or leave the key out"
)


class TensorBoard:
    """Scalars of every step, and pictures; to be closed by its `with` block.

    Args:
        history: Output of the training.
        picture: Drawn after every `every` steps. Samples beside the history are shown whenever they were drawn anew.

    Raises:
        ValueError: The package tensorboard is missing.
    """

    def __init__(self, history: str | Path, picture: Callable[[], NDArray] | None = None, every: int = 1) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise ValueError(MISSING) from error
        self.folder, self.previews = events_of(history), Path(history).parent / PREVIEWS
        self.open_writer, self.writer = SummaryWriter, None
        self.drawn, self.drawn_at, self.step = _date(self.previews), 0, 0
        self.picture, self.every = picture, every

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer:
            self._add_previews()
            self.writer.close()

    def report(self, step: int, losses: Mapping[str, float]) -> None:
        """Write the losses of a step, counted from 1; steps of an earlier try from there on count no more."""
        if not self.writer:
            if step == 1:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.writer = self.open_writer(self.folder, purge_step=step)
        self.step = step
        for name, value in losses.items():
            self.writer.add_scalar(name, value, step)
        self._add_previews()
        if self.picture and step % self.every == 0:
            self.writer.add_image("patches", self.picture(), step, dataformats="HWC")

    def _add_previews(self) -> None:
        if _date(self.previews) != self.drawn and self.drawn_at < self.step:
            from matplotlib.image import imread

            self.drawn, self.drawn_at = _date(self.previews), self.step
            self.writer.add_image("previews", imread(self.previews)[..., :3], self.step, dataformats="HWC")


def events_of(history: str | Path) -> Path:
    """Return where a training's events lie: results/{run}/tensorboard/, from there as its history from the run."""
    parts = Path(history).parent.parts
    place = max(index for index, part in enumerate(parts) if part.startswith("seed-"))
    return Path(*parts[:place], "tensorboard", *parts[place:])


def _date(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
