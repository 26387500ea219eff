"""How figures of a GPU are taken, where there is none: events in their order, kernels and choices by hand."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import torch
from torch.autograd import DeviceType

from benchmarks.gpu import abdomen
from benchmarks.gpu.checks import CPU, LIMITS_OF_NETWORKS, module_errors, modules
from benchmarks.gpu.choices import COMPILED, values_of
from benchmarks.gpu.kernels import largest
from benchmarks.gpu.rows import gpu_rows
from benchmarks.literal.synthesis import literal_redraw
from benchmarks.measure import seconds_of
from dar_uda.training.choices import CudaChoices
from dar_uda.translation.translator import Translator


def test_a_gpu_is_timed_by_events_around_the_work_after_what_was_queued_before(monkeypatch):
    done = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            done.append("record")

        def elapsed_time(self, end):
            assert isinstance(end, Event)
            return 250.0  # ms

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append(f"wait for {device}"))
    assert seconds_of(lambda: done.append("form"), torch.device("cuda:0")) == 0.25
    assert done == ["wait for cuda:0", "record", "form", "record", "wait for cuda:0"]


def test_rows_that_need_a_card_keep_their_goal_without_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = gpu_rows("waits")
    assert (row.ours, row.goal, row.met) == (None, 0.03, "not measured")


def test_kernels_are_those_of_the_card_the_largest_first():
    def event(key, where, microseconds, span=False):
        fields = {"self_device_time_total": microseconds, "self_cpu_time_total": 7000, "is_user_annotation": span}
        return SimpleNamespace(key=key, count=2, device_type=where, **fields)

    events = [
        event("small", DeviceType.CUDA, 1000),
        event("an operation on the CPU", DeviceType.CPU, 9000),
        event("large", DeviceType.CUDA, 3000),
        event("idle", DeviceType.CUDA, 0),
        event("Optimizer.step#ForeachAdaBelief.step", DeviceType.CUDA, 5000, span=True),
    ]
    expected = [{"name": "large", "calls": 2, "ms": 3.0}, {"name": "small", "calls": 2, "ms": 1.0}]
    assert largest(events, DeviceType.CUDA) == expected


def test_a_choice_has_the_values_of_its_type():
    @dataclass(frozen=True)
    class Choices:
        kernels: bool = False
        form: Literal["one", "other"] = "one"

    assert values_of(Choices) == {"kernels": (False, True), "form": ("one", "other")}
    assert set(COMPILED) < set(values_of(CudaChoices))


def test_the_limits_of_networks_leave_room_for_rounding_and_none_for_a_wrong_gradient():
    """At the sizes of a card; on a CPU, whose rounding to bfloat16 is the same."""
    torch.manual_seed(0)
    encoder, inputs = modules((8, 32, 32), False)["style encoder"]
    assert module_errors(encoder, inputs, CPU, LIMITS_OF_NETWORKS)["state"] == "ok"

    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.encoder(x)
            return y if x.dtype == torch.float64 else 2 * y - y.detach()

    assert module_errors(Twice(), inputs, CPU, LIMITS_OF_NETWORKS)["state"] == "failed"


def test_the_literal_synthesis_computes_where_the_codes_lie():
    """On the meta device, which like a GPU refuses tensors of a CPU; its result is the first thing that leaves it."""
    translator, slices = Translator(4).to("meta").eval(), np.zeros((1, 64, 64), np.uint16)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        literal_redraw(translator, slices, torch.zeros(1, 8, device="meta"))


def test_what_a_training_takes_to_begin_and_to_end_is_no_part_of_the_projected_hours(monkeypatch):
    begun = []

    def translator(*given):
        steps = given[-1]
        begun.append(steps)
        first = 20 if len(begun) == 1 else 0  # cuDNN's trial
        return {"state": "ok", "steps": steps, "took": first + 3 + steps * 0.5}

    monkeypatch.setattr(abdomen, "translator", translator)
    found = abdomen.projected(None, None, {"translation": {"steps": 7200}})
    assert (found["seconds_per_step"], found["hours"]) == (0.5, 1.0)
