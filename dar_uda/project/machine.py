"""What this machine has, and the budget that suits it."""

from dataclasses import dataclass

from dar_uda.data.memory import GIB, free_memory
from dar_uda.jobs.cores import usable_cores
from dar_uda.project.choice import Choice

GPU_GIB = 6.0
"""Memory of a GPU that holds a step of the budget `gpu`: 3 GiB of its segmenter, by docs/performance.md, with room."""


@dataclass(frozen=True)
class Machine:
    """Cores, free memory in GiB, and the GPU: its name, or "", and its memory in GiB."""

    cores: int
    memory_gib: float
    gpu: str = ""
    gpu_gib: float = 0.0

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine, as far as this process may use it."""
        import torch

        memory = (free_memory() or 0) / GIB
        if not torch.cuda.is_available():
            return cls(usable_cores(), memory)
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return cls(usable_cores(), memory, properties.name, properties.total_memory / GIB)

    def __str__(self) -> str:
        gpu = f"{self.gpu} with {self.gpu_gib:.0f} GiB" if self.gpu else "no CUDA GPU"
        return f"{self.cores} CPU cores, {self.memory_gib:.0f} GiB of memory free, {gpu}"


def choose_budget(machine: Machine, asked: str | None) -> Choice:
    """Return the budget that was asked for, else `gpu` on a machine whose GPU holds it, else `laptop`."""
    if asked:
        return Choice(asked, f"Of --budget. This machine: {machine}.")
    if machine.gpu_gib >= GPU_GIB:
        return Choice("gpu", f"This machine: {machine}; gpu needs about {GPU_GIB:.0f} GiB on the card.")
    lacks = f"the card has less than {GPU_GIB:.0f} GiB" if machine.gpu else "gpu needs a card"
    return Choice("laptop", f"This machine: {machine}; {lacks}. --budget gpu or paper chooses another.")
