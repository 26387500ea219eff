"""Batches that are drawn ahead: their values and order, what crosses streams, and how the thread ends."""

import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.domain_randomization import DomainRandomization
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.loop import Terminated, run_training
from dar_uda.training.prefetch import Prefetcher, to_device
from dar_uda.training.randomness import generator_for
from dar_uda.translation.slices import SliceSampler

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


class Stream:
    """A stand-in for a CUDA stream; `log` gets what is asked of it, with the thread."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def record_event(self):
        self.log.append((f"event on {self.name}", threading.get_ident()))
        return f"event of {self.name}"

    def wait_event(self, event):
        self.log.append((f"{self.name} waits for {event}", threading.get_ident()))


class Drawn:
    """A stand-in for a tensor."""

    def __init__(self, log, step):
        self.log, self.step = log, step

    def record_stream(self, stream):
        self.log.append((f"{self.step} kept for {stream.name}", threading.get_ident()))


@pytest.fixture
def log(monkeypatch):
    """What happens on a card that is not there."""
    happened = []

    @contextmanager
    def noted(what):
        happened.append((f"in {getattr(what, 'name', what)}", threading.get_ident()))
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(happened, f"side of {device}"))
    monkeypatch.setattr(torch.cuda, "stream", noted)
    monkeypatch.setattr(torch.cuda, "device", noted)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(happened, f"main of {device}"))
    return happened


def test_on_a_cpu_a_batch_is_drawn_when_it_is_asked_for_by_who_asks():
    drawn = []
    prefetcher = Prefetcher(lambda step: drawn.append((step, threading.get_ident())) or (step,), CPU)
    assert prefetcher.get(3) == (3,)
    prefetcher.close()
    assert drawn == [(3, threading.get_ident())]


def test_a_batch_is_drawn_on_the_stream_of_the_thread_and_the_step_waits_for_it(log):
    prefetcher = Prefetcher(lambda step: (Drawn(log, step),), CUDA)
    (found,) = prefetcher.get(0)
    prefetcher.close()
    assert found.step == 0
    here = [what for what, thread in log if thread == threading.get_ident()]
    there = [what for what, thread in log if thread != threading.get_ident()]
    assert here == ["main of cuda:0 waits for event of side of cuda:0", "0 kept for main of cuda:0"]
    assert there[:3] == ["in cuda:0", "in side of cuda:0", "event on side of cuda:0"]


def test_prefetched_batches_are_those_of_their_steps_from_any_step_on(log):
    prefetcher = Prefetcher(lambda step: (Drawn(log, step),), CUDA)
    assert [prefetcher.get(step)[0].step for step in (0, 1, 2, 9, 10, 3)] == [0, 1, 2, 9, 10, 3]
    prefetcher.close()


@pytest.mark.usefixtures("log")
def test_the_next_step_is_drawn_in_another_thread_while_the_current_one_is_used():
    drawn = {step: threading.Event() for step in range(3)}
    threads = []

    def draw(step):
        threads.append(threading.get_ident())
        drawn[step].set()
        return ()

    prefetcher = Prefetcher(draw, CUDA)
    prefetcher.get(0)
    assert drawn[1].wait(timeout=10) and not drawn[2].is_set()
    prefetcher.close()
    assert len(set(threads)) == 1 and threading.get_ident() not in threads


@pytest.mark.usefixtures("log")
def test_an_error_while_prefetching_is_raised_at_its_step():
    def draw(step):
        if step == 1:
            raise FileNotFoundError("ct_01.nii")
        return ()

    prefetcher = Prefetcher(draw, CUDA)
    prefetcher.get(0)
    with pytest.raises(FileNotFoundError, match="ct_01.nii"):
        prefetcher.get(1)
    prefetcher.close()


class Fetching:
    """A trainer whose batches come from a thread; in step `fatal` it fails, or gets SIGTERM."""

    device = CPU

    def __init__(self, fatal, error=None):
        self.fatal, self.error = fatal, error
        self.batches = Prefetcher(lambda _: (), CUDA)
        self.close = self.batches.close

    def update(self, step):
        self.batches.get(step)
        if step == self.fatal:
            if self.error:
                raise self.error
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": torch.tensor(1.0)}

    def state(self):
        return {}


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("error", [RuntimeError("CUDA error"), KeyboardInterrupt(), None])
def test_the_thread_ends_with_the_training_however_that_ends(tmp_path, error):
    with pytest.raises(type(error) if error else Terminated), CheckpointFolder(tmp_path / "c", "x") as checkpoints:
        run_training("t", Fetching(2, error), 10, checkpoints, 100)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.fixture
def samplers(tmp_path):
    """Patches that are always randomized, and slices."""
    rng = np.random.default_rng(0)
    write_label(tmp_path / "label.nii", rng.integers(0, 3, (8, 40, 40), dtype=np.uint8), np.eye(4))
    write_image(tmp_path / "image.nii", rng.random((8, 40, 40), np.float32), np.eye(4))
    np.save(tmp_path / "slices.npy", rng.integers(0, 65536, (6, 40, 40)).astype(np.uint16))
    looks = DomainRandomization(gin=1, structure_contrast=1, source_fraction=0)
    patches = PatchSampler(
        [tmp_path / "image.nii"], [tmp_path / "label.nii"], (4, 32, 32), 2, 0.5, domain_randomization=looks
    )
    return patches, SliceSampler(tmp_path / "slices.npy", 3, 32)


def batches(samplers, device):
    def draw(step):
        patches, slices = (sampler.draw(generator_for(7, step), device) for sampler in samplers)
        return *patches, slices

    return draw


def test_a_cpu_tensor_stays_as_it_is_on_a_cpu():
    tensor = torch.ones(2)
    assert to_device(tensor, CPU) is tensor


@pytest.mark.gpu
def test_prefetched_batches_equal_those_drawn_at_once_on_a_gpu(samplers):
    draw = batches(samplers, CUDA)
    prefetcher = Prefetcher(draw, CUDA)
    for step in (0, 1, 2, 9, 10, 3):
        found = prefetcher.get(step)
        torch.cuda._sleep(10_000_000)  # the stream of the step is busy while the next batch is drawn
        for one, other, on_cpu in zip(found, draw(step), batches(samplers, CPU)(step), strict=True):
            assert torch.equal(one, other) and one.device == CUDA
            torch.testing.assert_close(one.float().mean().cpu(), on_cpu.float().mean(), rtol=1e-3, atol=1e-3)
    prefetcher.close()


@pytest.mark.gpu
def test_drawing_on_a_gpu_never_waits_for_it(samplers):
    draw = batches(samplers, CUDA)
    draw(0)  # libraries start, which waits
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(8):
            draw(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
