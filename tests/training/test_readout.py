"""Losses as numbers: at once from a CPU, a step later from a GPU, and named by their own step."""

import os
import re
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.loop import Terminated, run_training
from dar_uda.training.readout import Readout, Row

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


class Event:
    """A stand-in for a CUDA event; `waited` counts how many were waited for."""

    waited = 0

    def __init__(self, blocking):
        assert blocking

    def synchronize(self):
        Event.waited += 1


class Stream:
    def record_event(self, event):
        return event


@pytest.fixture
def card(monkeypatch):
    """Events of a card that is not there: losses stay on the CPU, and are read as late as those of a GPU."""
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream())
    monkeypatch.setattr(Event, "waited", 0)


def losses(value):
    return {"loss": torch.tensor(value), "other": torch.tensor(2.0)}


def test_a_cpus_losses_are_read_at_once():
    readout = Readout(CPU)
    readout.add(4, losses(0.5), False)
    assert readout.read() == [Row(4, {"loss": 0.5, "other": 2.0}, False)]
    assert readout.read(newest=True) == []


@pytest.mark.usefixtures("card")
def test_a_gpus_losses_are_read_when_the_next_step_is_under_way():
    readout = Readout(CUDA)
    readout.add(0, losses(0.5), False)
    assert readout.read() == [] and Event.waited == 0
    readout.add(1, losses(0.25), True)
    assert readout.read() == [Row(0, {"loss": 0.5, "other": 2.0}, False)] and Event.waited == 1
    assert readout.read(newest=True) == [Row(1, {"loss": 0.25, "other": 2.0}, True)] and Event.waited == 2


class Training:
    """Losses that are `bad` in one step (from 0), on a GPU."""

    device = CUDA

    def __init__(self, bad=None, value=float("nan"), fatal=None):
        self.bad, self.value, self.fatal = bad, value, fatal

    def update(self, step):
        if step == self.fatal:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(self.value if step == self.bad else float(step))

    def state(self):
        return {"network": {"weight": torch.ones(1)}}

    def restore(self, state):
        pass

    def close(self):
        pass


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("bad", [0, 3, 9])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2e6])
def test_a_loss_that_is_not_finite_is_named_by_its_step_and_never_saved(tmp_path, bad, value):
    message = f"t: loss is .* at step {bad + 1}: "
    with pytest.raises(FloatingPointError, match=message), CheckpointFolder(tmp_path, "x") as checkpoints:
        run_training("t", Training(bad, value), 10, checkpoints, 2)
    with pytest.raises(KeyboardInterrupt), CheckpointFolder(tmp_path, "x") as checkpoints:
        saved = checkpoints.load(CPU)
        assert (saved["step"] if saved else 0) == bad // 2 * 2
        raise KeyboardInterrupt


@pytest.mark.usefixtures("card")
def test_history_and_reports_of_a_gpu_are_those_of_a_cpu(tmp_path):
    reports = []
    with CheckpointFolder(tmp_path, "x") as checkpoints:
        history = run_training("t", Training(), 7, checkpoints, 3, lambda step, values: reports.append((step, values)))
    assert list(history["step"]) == [1, 2, 3, 4, 5, 6, 7] and list(history["loss"]) == [0, 1, 2, 3, 4, 5, 6]
    assert reports == [(step + 1, {"loss": float(step), "other": 2.0}) for step in range(7)]


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(("fatal", "ends"), [(2, 4), (5, 6)])
def test_sigterm_on_a_gpu_saves_a_checkpoint_of_whole_steps(tmp_path, fatal, ends):
    """The flag is read with the losses: one step later, or with those of a checkpoint in step 6."""
    with pytest.raises(Terminated, match=f"after step {ends};"), CheckpointFolder(tmp_path, "x") as checkpoints:
        run_training("t", Training(fatal=fatal), 10, checkpoints, 6)
    with pytest.raises(KeyboardInterrupt), CheckpointFolder(tmp_path, "x") as checkpoints:
        saved = checkpoints.load(CPU)
        assert saved["step"] == ends and [row["step"] for row in saved["history"]] == list(range(1, ends + 1))
        raise KeyboardInterrupt


def ends_of(number, folder):
    """As one of two ranks write how trainings end in which rank 1 alone gets SIGTERM, or has a loss that is no number.

    Ranks that did not end after the same step would wait for each other's sums.
    """
    torch.cuda.Event, torch.cuda.current_stream = Event, lambda _: Stream()
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    for case in ({"fatal": 2}, {"fatal": 5}, {"bad": 3}, {"bad": 5}):
        training = Training(**case) if number else Training()
        checkpoints = CheckpointFolder(f"{folder}/{case}", "x")
        with pytest.raises((Terminated, FloatingPointError)) as raised, checkpoints if number == 0 else nullcontext():
            run_training("t", training, 10, checkpoints, 6)
        with Path(folder, f"ends{number}.txt").open("a") as file:
            file.write(re.match(r".*? step \d+", str(raised.value))[0] + "\n")
    dist.destroy_process_group()


def test_two_ranks_end_after_the_same_step_when_one_gets_sigterm_or_a_loss_is_no_number(tmp_path):
    processes.start_processes(ends_of, (str(tmp_path),), nprocs=2, start_method="forkserver")
    ends = [(tmp_path / f"ends{number}.txt").read_text().splitlines() for number in range(2)]
    sigterm, nan = "DAR-226: t: ended by SIGTERM after step", "DAR-223: t: loss is nan at step"
    assert ends == [[f"{sigterm} 4", f"{sigterm} 6", f"{nan} 4", f"{nan} 6"]] * 2


@pytest.mark.gpu
def test_losses_of_a_gpu_are_read_without_an_implicit_wait():
    readout, values = Readout(CUDA), torch.arange(20.0, device=CUDA)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = []
        for step in range(20):
            torch.cuda._sleep(1_000_000)
            readout.add(step, {"loss": values[step] * 2}, step == 7)
            found += readout.read()
        found += readout.read(newest=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found == [Row(step, {"loss": 2.0 * step}, step == 7) for step in range(20)]
