"""Stage `choices`: a step with the forms that hold now, and with every other form of one choice after the other."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from benchmarks.gpu.stage import TASK_SECONDS, Tasks
from benchmarks.gpu.workloads import (
    MIB,
    Bench,
    Form,
    free,
    gan_step,
    segmenter_step,
    spread,
    trying_algorithms,
    windows_of_a_slab,
)
from benchmarks.measure import seconds_of
from dar_uda.training import cuda_options

Context = Callable[[], AbstractContextManager]
LEVELS: dict[str, tuple[Callable[..., Form], tuple[int, ...]]] = {
    "DAR-UNet step": (segmenter_step, (2, 32, 256, 256)),
    "GAN step": (gan_step, (4, 512)),
    "windows of a slab": (windows_of_a_slab, (32, 256, 256)),
    "gpu budget": (segmenter_step, (2, 16, 192, 192)),
    "GAN step, 256": (gan_step, (4, 256)),
}
COMPARED = {
    "windows of a slab": ("captured_windows",),
    "DAR-UNet step": (
        *("channels_last", "captured_steps", "map_convolution", "quartet_kernels", "norm_kernels"),
        *("joint_batch_norm", "quartet_maxima"),
    ),
    "GAN step": ("captured_steps", "channels_last", "norm_kernels"),
    "gpu budget": ("captured_steps",),
    "GAN step, 256": ("captured_steps",),
}
"""The fields of `CudaOptions` that are compared on a step, what may change most first; a prediction is such a step."""
NEEDED = {"quartet_maxima": {"quartet_kernels": False}}
"""Without which other values the values of a field change nothing."""
SECONDS = {"channels_last": 40, "map_convolution": 40, "cudnn.benchmark": 30}
"""Of choices that give cuDNN other convolutions to try."""


def run(tasks: Tasks) -> None:
    bench = Bench(tasks.device, tasks.tiny)
    for step in list(COMPARED)[: 1 if tasks.tiny else 3]:
        compare(tasks, step, bench)
    flag = {str(value): partial(trying_algorithms, value) for value in (True, False)}
    tasks.do("choice cudnn.benchmark", lambda: each("DAR-UNet step", flag, bench), SECONDS["cudnn.benchmark"])
    for step in [] if tasks.tiny else list(COMPARED)[3:]:
        compare(tasks, step, bench)


def compare(tasks: Tasks, step: str, bench: Bench) -> None:
    """Do a step as it is, and with the other values of each field.

    A field's task is `choice FIELD` on the first step that compares it, and `choice FIELD, STEP` on others.
    """
    tasks.do(step, lambda: each(step, {"as it is": nullcontext}, bench))
    for field in COMPARED[step][: 1 if tasks.tiny else None]:
        first = next(one for one, fields in COMPARED.items() if field in fields)
        name = f"choice {field}" if step == first else f"choice {field}, {step}"
        tasks.do(name, partial(each, step, others(field), bench), SECONDS.get(field, TASK_SECONDS))


def others(field: str) -> dict[str, Context]:
    """Return the choices of the other values of a field than the one that holds."""
    needed = NEEDED.get(field, {})
    values = [
        value for value in values_of(cuda_options.CudaOptions)[field] if value != getattr(cuda_options.made(), field)
    ]
    return {str(value): partial(cuda_options.choosing, **{**needed, field: value}) for value in values}


def values_of(choice: type) -> dict[str, tuple[Any, ...]]:
    """Return the values that each field of a dataclass of choices may have: those of `bool` and of `Literal`."""
    hints = get_type_hints(choice).items()
    return {name: get_args(hint) if get_origin(hint) is Literal else (False, True) for name, hint in hints}


def made_step(step: str, bench: Bench) -> Form:
    make, size = LEVELS[step]
    return make(bench, *size)


def each(step: str, contexts: Mapping[str, Context], bench: Bench) -> dict[str, Any]:
    """Return the seconds of a step within each context, one after the other, and the MiB that it allocates at most."""
    found = {}
    for value, context in contexts.items():
        free(bench.device)
        with context():
            found[value] = alone(step, bench)
    return {"steps": found}


def alone(step: str, bench: Bench) -> dict[str, Any]:
    """Return the seconds of a step and the MiB that torch has allocated at most, both after its first call."""
    on_card, form = bench.device.type == "cuda", made_step(step, bench)
    if not bench.tiny:
        form()  # cuDNN tries its algorithms, with memory that it needs once
    if on_card:
        torch.cuda.reset_peak_memory_stats(bench.device)
    for _ in range(bench.unrecorded):
        form()
    took = [seconds_of(form, bench.device) for _ in range(1 if bench.tiny else 3)]
    allocated = torch.cuda.max_memory_allocated(bench.device) / MIB if on_card else None
    return {
        "took": min(took),
        "note": spread({step: took}),
        "allocated": allocated,
        "choices": asdict(cuda_options.made()),
        "cudnn.benchmark": torch.backends.cudnn.benchmark,
    }
