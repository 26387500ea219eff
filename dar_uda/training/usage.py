"""What a training takes: time per step, memory, parameters."""

import json
import resource
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dar_uda.jobs.files import write_beside
from dar_uda.training.loop import Trainer

MIB = 2**20


class TimedTrainer:
    """A trainer that also notes how long its steps take: from the beginning of one update to that of the next.

    An update on a GPU returns before it is done.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.device = trainer, trainer.device
        self.state, self.restore, self.close = trainer.state, trainer.restore, trainer.close
        self._times: list[float] = []

    def update(self, step: int) -> dict[str, Tensor]:
        self._times[-1:] = [time.perf_counter()]  # in place of the end of the update before
        losses = self.trainer.update(step)
        self._times.append(time.perf_counter())
        return losses

    @property
    def seconds(self) -> list[float]:
        return [end - start for start, end in pairwise(self._times)]


def write_training_usage(path: str | Path, network: nn.Module, trained: TimedTrainer) -> None:
    """Write parameters, the median of the seconds per step, and the peak memory in MiB as JSON.

    Memory is the GPU's for a training there, else that of the whole process. A resumed training counts from where it
    was resumed.
    """
    content: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seconds_per_step": statistics.median(trained.seconds) if trained.seconds else None,
        "peak_mib": _peak_bytes(trained.device) / MIB,
        "device": trained.device.type,
    }
    with write_beside(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n")


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
