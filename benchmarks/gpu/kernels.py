"""Stage 3: where a step's time goes: its largest kernels, and the share of the time in which the card computes."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.workloads import Bench, Form, gan_step, segmenter_step
from benchmarks.measure import seconds_of

LARGEST = 30


def run(tasks: Tasks) -> None:
    bench = Bench(tasks.device, tasks.tiny)
    if not tasks.tiny:  # the profiler takes seconds for each
        tasks.do("DAR-UNet step", lambda: profiled(segmenter_step(bench, 2, 32, 256, 256), bench))
        tasks.do("DAR-UNet step, gpu budget", lambda: profiled(segmenter_step(bench, 2, 16, 192, 192), bench))
    tasks.do("GAN step", lambda: profiled(gan_step(bench, 4, 512), bench))


def profiled(form: Form, bench: Bench) -> dict[str, Any]:
    """Return the largest kernels of one call and the busy share; the call itself is timed without the profiler."""
    for _ in range(bench.unrecorded):
        form()
    seconds = seconds_of(form, bench.device)
    on_card = bench.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_card else [])]
    with profile(activities=activities) as found:
        form()
        if on_card:
            torch.cuda.synchronize(bench.device)
    kernels = largest(found.key_averages(), DeviceType.CUDA if on_card else DeviceType.CPU)
    busy = sum(kernel["ms"] for kernel in kernels) / 1000 / seconds
    launches = sum(kernel["calls"] for kernel in kernels)
    return {"ms": 1000 * seconds, "busy": busy, "launches": launches, "kernels": kernels[:LARGEST]}


def largest(events: Iterable[Any], where: DeviceType) -> list[dict[str, Any]]:
    """Return what ran on a device: name, calls and milliseconds of its own, the largest first.

    Without the spans that torch notes beside the kernels within them, such as that of an optimizer's step.
    """
    field = "self_device_time_total" if where == DeviceType.CUDA else "self_cpu_time_total"
    kernels = [
        {"name": event.key[:160], "calls": event.count, "ms": getattr(event, field) / 1000}
        for event in events
        if event.device_type == where and not event.is_user_annotation and getattr(event, field) > 0
    ]
    return sorted(kernels, key=lambda kernel: -kernel["ms"])
