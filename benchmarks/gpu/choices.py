"""Stage `choices`: the forms among which only a card can decide, together and each against the one that holds now."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.workloads import MIB, Bench, Form, gan_step, segmenter_step, spread, trying_algorithms
from benchmarks.measure import interleaved, seconds_of
from dar_uda.training import choices
from dar_uda.training.graphs import EAGER_CALLS

FAST = {
    **{"quartet_kernels": True, "map_convolution": "blocks", "joint_batch_norm": True, "channels_last": True},
    **{"norm_kernels": True, "captured_steps": True},
}
"""The forms that should be the fastest together."""


def values_of(choice: type) -> dict[str, tuple[Any, ...]]:
    """Return the values that each field of a dataclass of choices may have: those of `bool` and of `Literal`."""
    hints = get_type_hints(choice).items()
    return {name: get_args(hint) if get_origin(hint) is Literal else (False, True) for name, hint in hints}


OF_TRANSLATOR = ("channels_last", "norm_kernels", "captured_steps")
"""The fields that the translator's step depends on."""
STEPS: dict[str, tuple[Callable[..., Form], tuple[int, ...]]] = {
    "DAR-UNet step": (segmenter_step, (2, 32, 256, 256)),
    "GAN step": (gan_step, (4, 512)),
    "gpu budget": (segmenter_step, (2, 16, 192, 192)),
    "GAN step, 256": (gan_step, (4, 256)),
}
LARGE = ("DAR-UNet step", "GAN step")
"""Steps on which each field is compared alone."""


def run(tasks: Tasks) -> None:
    bench = Bench(tasks.device, tasks.tiny)
    for kind in (together, all_but_one):
        for step in list(STEPS)[: 1 if tasks.tiny else None]:
            for name, chosen in list(kind(step).items())[: 1 if tasks.tiny else None]:
                tasks.do(f"{step}, {name}", partial(alone, step, chosen, bench), seconds=30)
    tasks.do("choice cudnn.benchmark", lambda: compared_flag(bench))
    for field, values in list(values_of(choices.CudaChoices).items())[: 1 if tasks.tiny else None]:
        tasks.do(f"choice {field}", partial(compared, field, values, bench), seconds=30)


def together(step: str) -> dict[str, dict[str, Any]]:
    """Return the choices of a step by name: those that hold now, and all fast ones at once where that differs."""
    fast = {field: value for field, value in FAST.items() if matters(field, step)}
    holding = all(getattr(choices.made(), field) == value for field, value in fast.items())
    return {"fast": fast} if holding else {"now": {}, "fast": fast}


def all_but_one(step: str) -> dict[str, dict[str, Any]]:
    """Return the fast choices of a step without each one, which has its first, plain value."""
    fast, values = together(step)["fast"], values_of(choices.CudaChoices)
    return {f"fast without {field}": {**fast, field: values[field][0]} for field in fast}


def matters(field: str, step: str) -> bool:
    """Return whether a step depends on a field of `CudaChoices`."""
    return STEPS[step][0] is segmenter_step or field in OF_TRANSLATOR


def alone(step: str, chosen: Mapping[str, Any], bench: Bench) -> dict[str, Any]:
    """Return the seconds of a step with some choices, and the MiB that torch has allocated at most."""
    on_card = bench.device.type == "cuda"
    with choices.choosing(**chosen) as made:
        form = made_step(step, bench)
        for _ in range(unrecorded(bench)):
            form()
        if on_card:
            torch.cuda.reset_peak_memory_stats(bench.device)
        took = [seconds_of(form, bench.device) for _ in range(recorded(bench))]
        peak = torch.cuda.max_memory_allocated(bench.device) / MIB if on_card else None
    return {"took": min(took), "note": spread({step: took}), "allocated": peak, "choices": asdict(made)}


def made_step(step: str, bench: Bench) -> Form:
    make, size = STEPS[step]
    return make(bench, *size)


def unrecorded(bench: Bench) -> int:
    """Return how many calls come first: a captured step replays only after some that are not."""
    return 0 if bench.tiny else EAGER_CALLS + 2 if choices.made().captured_steps else 1


def recorded(bench: Bench) -> int:
    return 1 if bench.tiny else 3


def compared(field: str, values: Sequence[Any], bench: Bench) -> dict[str, Any]:
    """Return the seconds of steps with every value of a field, all other fields as they are."""
    contexts = {str(value): partial(choices.choosing, **{field: value}) for value in values}
    steps = [step for step in LARGE if matters(field, step)]
    return {"now": str(getattr(choices.made(), field)), **timed_in(contexts, steps, bench)}


def compared_flag(bench: Bench) -> dict[str, Any]:
    """Return the same for cuDNN's trial of its algorithms."""
    contexts = {str(value): partial(trying_algorithms, value) for value in (False, True)}
    return {"now": str(torch.backends.cudnn.benchmark), **timed_in(contexts, LARGE, bench)}


def timed_in(
    contexts: Mapping[str, Callable[[], AbstractContextManager]], steps: Sequence[str], bench: Bench
) -> dict[str, Any]:
    """Return the seconds of steps, made and done within each context, all in turn."""
    found = {}
    for step in steps:
        forms = {}
        for value, context in contexts.items():
            form = within(context, partial(made_step, step, bench))
            for _ in range(within(context, partial(unrecorded, bench))):
                within(context, form)
            forms[value] = partial(within, context, form)
        seconds = interleaved(forms, recorded(bench), bench.device, unrecorded=0)
        found[step] = {value: min(took) for value, took in seconds.items()} | {"note": spread(seconds)}
    return {"steps": found}


def within(context: Callable[[], AbstractContextManager], call: Callable[[], Any]) -> Any:
    with context():
        return call()
