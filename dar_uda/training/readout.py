"""The losses of a training as numbers, read without holding up the GPU."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.training import distributed


class Row(NamedTuple):
    """What a step reports: its number (from 0), the mean of its losses over the ranks, whether a rank is to end."""

    step: int
    losses: dict[str, float]
    ends: bool


class Readout:
    """Copy the losses of each step to the CPU; on a GPU read them when the next step is under way.

    The GPU always has a step to compute while the CPU waits for numbers. A CPU's are read at once.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._pending: deque[tuple[int, list[str], Tensor, torch.cuda.Event | None]] = deque()

    def add(self, step: int, losses: Mapping[str, Tensor], ends: bool) -> None:
        """Begin to read the losses of a step, scalars on the device, and whether this rank is to end."""
        values = F.pad(torch.stack(list(losses.values())).detach().double(), (0, 1), value=float(ends))
        copy, copied = distributed.mean(values).to("cpu", non_blocking=True), None  # into pinned memory, from a GPU
        if self.device.type == "cuda":
            copied = torch.cuda.current_stream(self.device).record_event(torch.cuda.Event(blocking=True))
        self._pending.append((step, list(losses), copy, copied))

    def read(self, newest: bool = False) -> list[Row]:
        """Return the rows not yet returned: on a GPU without that of the newest step, unless `newest`."""
        left = 1 if self.device.type == "cuda" and not newest else 0
        return [self._row(*self._pending.popleft()) for _ in range(len(self._pending) - left)]

    @staticmethod
    def _row(step: int, names: list[str], values: Tensor, copied: torch.cuda.Event | None) -> Row:
        if copied:
            copied.synchronize()
        *numbers, ends = values.tolist()
        return Row(step, dict(zip(names, numbers, strict=True)), ends > 0)
