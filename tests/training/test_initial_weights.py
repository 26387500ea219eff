"""A seed gives the same initial weights on every device."""

from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dar_uda.adaptation.train_cyclegan import CycleGANTrainer
from dar_uda.training.job import Job
from dar_uda.translation.train import TranslatorTrainer

SAMPLERS = [SimpleNamespace(size=(64, 64))] * 2
RATES = {"generator": 1e-3, "discriminator": 1e-3}
TRAINERS = {
    "translator": lambda job: TranslatorTrainer(SAMPLERS, job, 2, 8, False, RATES, 0.999, {}),
    "cyclegan": lambda job: CycleGANTrainer(SAMPLERS, job, 1, 2, 1, 1e-3, 10.0),
}


class Draws(TorchDispatchMode):
    """Notes the device of each tensor that is filled with random numbers."""

    def __init__(self):
        super().__init__()
        self.devices = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function._schema.name in ("aten::normal_", "aten::uniform_"):
            self.devices.append(args[0].device.type)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", TRAINERS)
def test_initial_weights_are_drawn_on_the_cpu_for_every_device(name):
    with Draws() as draws:
        trainer = TRAINERS[name](Job(0, "c", torch.device("meta"), torch.float32))
    assert set(draws.devices) == {"cpu"} and len(draws.devices) > 10
    networks = [part for part in trainer._parts().values() if isinstance(part, torch.nn.Module)]
    assert {p.device.type for network in networks for p in network.parameters()} == {"meta"}
