"""Stage 5: the forms among which only a card can decide, each against the one that holds now."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from benchmarks.gpu.figures import spread
from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.workloads import Bench, gan_step, segmenter_step
from benchmarks.measure import interleaved
from dar_uda.training import choices
from dar_uda.training.graphs import EAGER_CALLS

SMALL = (2, 16, 192, 192)
LARGE = (2, 32, 256, 256)
COMPILED = ("quartet_kernels", "captured_steps")
"""Done last: a fault of such a kernel or graph ends the stage."""


def run(tasks: Tasks) -> None:
    bench = Bench(tasks.device, tasks.tiny)
    tasks.do("choice cudnn.benchmark", lambda: compared_flag(bench))
    fields = sorted(values_of(choices.CudaChoices).items(), key=lambda field: field[0] in COMPILED)
    for field, values in fields[: 1 if tasks.tiny else None]:
        tasks.do(f"choice {field}", partial(compared, field, values, bench))


def values_of(choices: type) -> dict[str, tuple[Any, ...]]:
    """Return the values that each field of a dataclass of choices may have: those of `bool` and of `Literal`."""
    hints = get_type_hints(choices).items()
    return {name: get_args(hint) if get_origin(hint) is Literal else (False, True) for name, hint in hints}


def compared(field: str, values: Sequence[Any], bench: Bench) -> dict[str, Any]:
    """Return the seconds of steps with every value of a field, all other fields as they are."""
    contexts = {str(value): partial(choices.choosing, **{field: value}) for value in values}
    warm_ups = EAGER_CALLS + 1 if field == "captured_steps" else 1
    return {"now": str(getattr(choices.made(), field)), **timed_in(contexts, bench, warm_ups)}


def compared_flag(bench: Bench) -> dict[str, Any]:
    """Return the same for cuDNN's trial of its algorithms."""
    contexts = {str(value): partial(benchmark_flag, value) for value in (False, True)}
    return {"now": str(torch.backends.cudnn.benchmark), **timed_in(contexts, bench, 1)}


def timed_in(contexts: dict[str, Callable[[], AbstractContextManager]], bench: Bench, warm_ups: int) -> dict[str, Any]:
    """Return the seconds of DAR-UNet's and the translator's steps, made and done within each context, all in turn."""
    found = {}
    makers = {"DAR-UNet step": partial(segmenter_step, bench, *LARGE), "GAN step": partial(gan_step, bench, 4, 512)}
    if not bench.tiny:  # where the two have one size
        makers["gpu budget"] = partial(segmenter_step, bench, *SMALL)
    for name, make in makers.items():
        forms = {value: partial(within, context, within(context, make)) for value, context in contexts.items()}
        seconds = interleaved(forms, 1 if bench.tiny else 3, bench.device, unrecorded=0 if bench.tiny else warm_ups)
        found[name] = {value: min(took) for value, took in seconds.items()} | {"note": spread(seconds)}
    return {"steps": found}


def within(context: Callable[[], AbstractContextManager], call: Callable[[], Any]) -> Any:
    with context():
        return call()


@contextmanager
def benchmark_flag(value: bool) -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = value
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
