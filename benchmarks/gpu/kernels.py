"""Stage `kernels`: where a step's time goes: its largest kernels and convolutions, and how long the card computes."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.choices import made_step
from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.workloads import Bench, Form
from benchmarks.measure import seconds_of
from dar_uda.training import cuda_options

LARGEST, LARGEST_SHAPES = 30, 20
CONVOLUTION = "conv"
"""What the names of torch's operations have that start the kernels of a convolution."""


def run(tasks: Tasks) -> None:
    bench = Bench(tasks.device, tasks.tiny)
    for step in ("GAN step",) if tasks.tiny else ("windows of a slab", "DAR-UNet step", "GAN step", "gpu budget"):
        tasks.do(step, lambda step=step: profiled(lambda: made_step(step, bench), bench), seconds=25)


def profiled(make: Callable[[], Form], bench: Bench) -> dict[str, Any]:
    """Return the largest kernels and convolutions of one call, and the busy share.

    The call itself is timed without the profiler. It is not captured: a replay has no operations. On a CPU, which has
    no kernels, operations take their place.

    Args:
        make: Makes the form.
    """
    on_card = bench.device.type == "cuda"
    with cuda_options.choosing(captured_steps=False) as made:
        form = make()
        for _ in range(bench.unrecorded):
            form()
        seconds = seconds_of(form, bench.device)
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_card else [])]
        with profile(activities=activities, record_shapes=True) as found:
            form()
            if on_card:
                torch.cuda.synchronize(bench.device)
    events = found.profiler.kineto_results.events()  # as they are: to group them torch takes seconds
    kernels = largest(events, DeviceType.CUDA if on_card else DeviceType.CPU)
    return {
        "ms": 1000 * seconds,
        "busy": sum(kernel["ms"] for kernel in kernels) / 1000 / seconds,
        "launches": sum(kernel["calls"] for kernel in kernels),
        "choices": asdict(made),
        "kernels": kernels[:LARGEST],
        "convolutions": convolutions(events)[:LARGEST_SHAPES],
    }


def largest(events: Iterable[Any], where: DeviceType) -> list[dict[str, Any]]:
    """Return what ran on a device: name, calls and milliseconds, the largest first.

    Without the spans that torch notes beside the kernels within them, such as that of an optimizer's step.

    Args:
        events: Those of the profiler's library, Kineto.
    """
    here = (event for event in events if event.device_type() == where and not event.is_user_annotation())
    return _summed((event.name()[:160], event) for event in here)


def convolutions(events: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the convolutions by operation and shapes of its inputs, with the milliseconds of their kernels.

    An operation of a CPU and the kernels that it starts have one correlation.
    """
    events = list(events)
    operations = {
        event.correlation_id(): f"{event.name()} {event.shapes()}"
        for event in events
        if event.device_type() == DeviceType.CPU and CONVOLUTION in event.name()
    }
    kernels = (event for event in events if event.device_type() == DeviceType.CUDA)
    started = ((operations.get(event.linked_correlation_id()), event) for event in kernels)
    return _summed((name, event) for name, event in started if name)


def _summed(named: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Return the kernels and milliseconds of each name, the largest first."""
    took = defaultdict(list)
    for name, event in named:
        took[name].append(event.duration_ns() / 1e6)
    rows = [{"name": name, "calls": len(each), "ms": sum(each)} for name, each in took.items()]
    return sorted(rows, key=lambda row: -row["ms"])
