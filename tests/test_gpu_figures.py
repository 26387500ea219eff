"""How figures of a GPU are taken, where there is none: events in their order, kernels and choices by hand."""

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu import abdomen
from benchmarks.gpu.checks import CPU, LIMITS_OF_NETWORKS, module_errors, modules
from benchmarks.gpu.choices import COMPARED, compare, made_step, others, values_of
from benchmarks.gpu.figures import steps, timed
from benchmarks.gpu.kernels import convolutions, largest
from benchmarks.gpu.rows import gpu_rows
from benchmarks.gpu.workloads import Bench, free, peaks
from benchmarks.literal.synthesis import literal_redraw
from benchmarks.literal.translator import literal_step
from benchmarks.measure import seconds_of
from benchmarks.segmenter import CLASSES
from benchmarks.translator import literal_trainer
from dar_uda.training import cuda_options
from dar_uda.training.cuda_graphs import EAGER_CALLS
from dar_uda.training.prefetch import Prefetcher
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


def event(name, where, ms, span=False, number=0, of=0, shapes=()):
    """Return an event of the profiler's library: those of an operation and of its kernels have one number."""
    fields = {"name": name, "device_type": where, "duration_ns": ms * 10**6, "is_user_annotation": span}
    fields |= {"correlation_id": number, "linked_correlation_id": of, "shapes": list(shapes)}
    return SimpleNamespace(**{key: lambda value=value: value for key, value in fields.items()})


def test_kernels_are_those_of_the_card_the_largest_first():
    events = [
        event("small", DeviceType.CUDA, 1),
        event("an operation on the CPU", DeviceType.CPU, 9),
        event("large", DeviceType.CUDA, 1),
        event("large", DeviceType.CUDA, 2),
        event("Optimizer.step#ForeachAdaBelief.step", DeviceType.CUDA, 5, span=True),
    ]
    expected = [{"name": "large", "calls": 2, "ms": 3.0}, {"name": "small", "calls": 1, "ms": 1.0}]
    assert largest(events, DeviceType.CUDA) == expected


def test_convolutions_are_those_of_equal_shapes_with_the_time_of_the_kernels_that_they_start():
    wide, narrow = [[2, 16], [16, 16]], [[2, 1], [16, 1]]
    events = [
        event("aten::cudnn_convolution", DeviceType.CPU, 50, number=1, shapes=wide),
        event("aten::cudnn_convolution", DeviceType.CPU, 50, number=2, shapes=narrow),
        event("aten::cudnn_convolution", DeviceType.CPU, 50, number=3, shapes=wide),
        event("aten::add", DeviceType.CPU, 50, number=4, shapes=wide),
        *(
            event("kernel", DeviceType.CUDA, ms, number=90, of=of)
            for of, ms in ((1, 4), (1, 2), (2, 7), (3, 3), (4, 99))
        ),
    ]
    names = [f"aten::cudnn_convolution {shapes}" for shapes in (wide, narrow)]
    expected = [{"name": names[0], "calls": 3, "ms": 9.0}, {"name": names[1], "calls": 1, "ms": 7.0}]
    assert convolutions(events) == expected


def test_the_profiler_gives_what_kernels_and_convolutions_are_read_from():
    x = torch.ones(1, 2, 4, 4)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
        torch.nn.Conv2d(2, 3, 3)(x)
    events = found.profiler.kineto_results.events()
    (operation,) = (one for one in events if one.name() == "aten::conv2d")
    assert operation.shapes()[:2] == [[1, 2, 4, 4], [3, 2, 3, 3]]
    assert operation.correlation_id() > 0 and operation.linked_correlation_id() == 0
    (row,) = (row for row in largest(events, DeviceType.CPU) if row["name"] == "aten::conv2d")
    assert row["calls"] == 1 and row["ms"] == pytest.approx(operation.duration_ns() / 1e6)


def test_a_choice_has_the_values_of_its_type():
    @dataclass(frozen=True)
    class Choices:
        kernels: bool = False
        form: Literal["one", "other"] = "one"

    assert values_of(Choices) == {"kernels": (False, True), "form": ("one", "other")}


def test_every_field_of_the_choices_is_compared_with_the_values_that_do_not_hold():
    assert {field for fields in COMPARED.values() for field in fields} == set(values_of(cuda_options.CudaOptions))
    with cuda_options.choosing(map_convolution="slices", quartet_kernels=True):
        assert list(others("map_convolution")) == ["conv3d", "blocks"]
        with others("map_convolution")["blocks"]() as made:
            assert made.map_convolution == "blocks"
        with others("quartet_maxima")["marks"]() as made:
            assert (made.quartet_maxima, made.quartet_kernels) == ("marks", False)  # the kernels find no maxima again


def test_a_choice_is_named_by_its_field_and_on_further_steps_by_the_step_too():
    names = []
    tasks = SimpleNamespace(tiny=False, do=lambda name, *_: names.append(name))
    for step in ("windows of a slab", "gpu budget"):
        compare(tasks, step, Bench(CPU, tiny=True))
    expected = ["windows of a slab", "choice captured_windows", "gpu budget", "choice captured_steps, gpu budget"]
    assert names == expected


def test_replayed_windows_are_compared_on_a_slab_of_nine():
    assert list(others("captured_windows")) == [str(not cuda_options.made().captured_windows)]
    (slab,) = made_step("windows of a slab", Bench(CPU, tiny=True))()
    assert slab.shape == (CLASSES, 4, 32, 32)


@pytest.fixture
def memory_of_a_card(monkeypatch):
    """What is done with torch's counts of memory, in order."""
    done = []
    for name in ("empty_cache", "reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: done.append(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 5 * 2**20)
    return done


def test_the_peak_is_that_of_all_calls_after_the_first_so_that_a_capture_counts(memory_of_a_card):
    """A capture is the fourth call, and torch counts its memory there; cuDNN's trials are in the first."""
    done, device, bench = memory_of_a_card, torch.device("cuda:0"), Bench(CPU, tiny=False)
    assert peaks(lambda: lambda: done.append("call"), bench.unrecorded, device) == (3.0, 5.0)
    after = ["call"] * bench.unrecorded
    assert done == ["empty_cache", "call", "reset_peak_memory_stats", *after, "synchronize"]
    assert bench.unrecorded > EAGER_CALLS + 1  # the last ones are replays


def test_the_products_of_a_step_are_those_of_the_form_that_needs_fewer(monkeypatch):
    def multiplying(count):
        return lambda _: lambda: [torch.ones(2, 3) @ torch.ones(3, 4) for _ in range(count)]

    monkeypatch.setattr(Bench, "repeats", 3)
    found = steps("gan_step", multiplying(5), multiplying(2), ())(Bench(CPU, tiny=False))
    assert found["gan_step"]["flop"] == 2 * (2 * 2 * 3 * 4)


def test_the_threads_of_a_dropped_training_end():
    """Those that draw batches: nothing closes the trainings that are measured."""

    class Drawing:
        def __init__(self) -> None:
            self.batches = Prefetcher(self._draw, CPU)
            self.batches._thread.submit(self._draw, 0).result()

        def _draw(self, _: int) -> tuple:
            return ()

    (thread,) = Drawing().batches._thread._threads
    free(CPU)
    thread.join(10)
    assert not thread.is_alive()


def test_the_literal_form_is_timed_less_often_than_ours_and_what_it_warms_up_is_not_counted():
    calls, bench = [], Bench(CPU, tiny=False)
    found = timed("attention", {form: partial(calls.append, form) for form in ("literal", "ours")}, bench)
    assert (calls.count("literal"), calls.count("ours")) == (1 + 3, 5 + 1 + 5)
    assert found["attention"]["note"].endswith("n 3 / 5")


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


def test_no_form_for_gpus_is_in_the_literal_step_of_the_translator(monkeypatch):
    def asked(_):
        raise AssertionError("a form that depends on the device")

    monkeypatch.setattr(cuda_options, "on_cuda", asked)
    training = literal_trainer(torch.float32, pixels=64, width=4)
    losses = literal_step(training, *(sampler.images for sampler in training.samplers))
    assert all(loss.isfinite() for loss in losses.values())


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
