"""Two ranks train as one process on their joint batch."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.train import SegmenterTrainer
from dar_uda.training import distributed
from dar_uda.training.job import Job
from dar_uda.translation.train import TranslatorTrainer

CPU = torch.device("cpu")
LOSSES = ("pixel_reconstruction", "pixel_cycle", "content_reconstruction", "style_reconstruction")
WEIGHTS = dict.fromkeys((*LOSSES, "adversarial_image", "adversarial_content"), 2.0)


def own(joint):
    """Return this rank's part of a joint batch; all of it to a process alone."""
    return joint.chunk(distributed.count())[distributed.number()]


class Patches:
    def draw(self, *_):
        rng = np.random.default_rng(0)
        images, labels = rng.standard_normal((4, 1, 4, 16, 32)), rng.integers(0, 3, (4, 4, 16, 32))
        return own(torch.from_numpy(images)), own(torch.from_numpy(labels))


class Slices:
    size = (64, 64)

    def __init__(self, seed):
        self.seed = seed

    def draw(self, *_):
        return own(torch.from_numpy(np.random.default_rng(self.seed).uniform(-1, 1, (4, 1, 64, 64))))


def segmenter(activation_checkpointing):
    torch.manual_seed(0)
    network = DARUNet(3, [8, 8, 8, 8, 8])
    job = Job(0, "", CPU, torch.float64, activation_checkpointing)
    trainer = SegmenterTrainer(network, Patches(), job, 10, 1e-3, 1e-4, 0.0, 10.0, ema_decay=0.9)
    losses = trainer.update(0)
    return losses, [trainer.optimizer], [buffer.double() for buffer in network.buffers()]


def translator():
    rates = {"generator": 1e-3, "discriminator": 1e-3}
    trainer = TranslatorTrainer([Slices(1), Slices(2)], Job(0, "", CPU, torch.float64), 4, 3, True, rates, 0.9, WEIGHTS)
    losses = trainer.update(0)
    return losses, [trainer.generator_optimizer, trainer.discriminator_optimizer], []


TRAINERS = {"segmenter": (segmenter, False), "recomputing": (segmenter, True), "translator": (translator,)}


def one_update(name):
    """Return losses, gradients (a first moment is a tenth or a half of one) and running statistics after an update."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    function, *arguments = TRAINERS[name]
    losses, optimizers, buffers = function(*arguments)
    states = [state["exp_avg"] for optimizer in optimizers for state in optimizer.state.values()]
    return {name: float(distributed.mean(loss)) for name, loss in losses.items()}, states, buffers


def rank(number, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    for name in TRAINERS:
        torch.save(one_update(name), f"{folder}/{name}{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return a folder with what both ranks found."""
    folder = tmp_path_factory.mktemp("ranks")
    processes.start_processes(rank, (str(folder),), nprocs=2, start_method="forkserver")
    return folder


@pytest.fixture
def in_double_precision():
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    yield
    torch.set_default_dtype(before)
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize("name", TRAINERS)
def test_two_ranks_have_the_gradients_of_one_process_on_the_joint_batch(found, name):
    losses, gradients, statistics = one_update(name)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 1e-6
    for number in range(2):
        of_rank = torch.load(found / f"{name}{number}.pt", weights_only=True)
        assert of_rank[0] == pytest.approx(losses, rel=1e-9)
        for value, expected in zip((*of_rank[1], *of_rank[2]), (*gradients, *statistics), strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-7, atol=1e-12)
