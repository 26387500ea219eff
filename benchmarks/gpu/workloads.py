"""What is measured: the literal form, the reference's in float32 with TF32, and ours, as a training runs it."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.literal.translator import literal_step
from benchmarks.segmenter import CHANNELS, CLASSES, Step
from benchmarks.translator import literal_trainer, trainer
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.sliding_window import predict_slabs
from dar_uda.segmentation.train import OPTIMIZATION, SegmenterTrainer
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training.cuda_graphs import EAGER_CALLS
from dar_uda.training.device import use_device
from dar_uda.training.job import Job

CONFIG = Path(__file__).parents[2] / "config"
MIB = 2**20
Form = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """Where figures are taken, and at which sizes."""

    device: torch.device
    tiny: bool

    def __post_init__(self) -> None:
        use_device(str(self.device), torch.get_num_threads())

    @property
    def repeats(self) -> int:
        """Return how often a form of ours is timed."""
        return 1 if self.tiny else 5

    @property
    def literal_repeats(self) -> int:
        """Return how often a literal form is timed, in turn with ours: it takes long."""
        return 1 if self.tiny else 3

    @property
    def unrecorded(self) -> int:
        """Return how often a form of ours is called before: a captured step replays only after some that are not."""
        return 0 if self.tiny else EAGER_CALLS + 2

    @property
    def channels(self) -> Sequence[int]:
        """Those of the paper's network, or the fewest."""
        return (8, 8, 8, 8, 8) if self.tiny else CHANNELS

    def size(self, *sides: int) -> tuple[int, ...]:
        """Return the sides of a patch, or the smallest that the network takes."""
        return (1, 4, 16, 16)[-len(sides) :] if self.tiny else sides


def method(budget: str | None = None) -> dict[str, Any]:
    """Return the method's values: the paper's, or those of a budget."""
    values = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))
    if budget:
        path = CONFIG / "budgets" / f"{budget}.yaml"
        changes = yaml.safe_load(path.read_text(encoding="utf-8"))["budgets"][budget]
        values |= {branch: values[branch] | change for branch, change in changes.items()}
    return values


@contextmanager
def arithmetic_kept() -> Iterator[None]:
    """After the block TF32 is used as before it, and cuDNN tries its algorithms as before."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32, convolutions.benchmark
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32, convolutions.benchmark = before


@contextmanager
def reference_arithmetic() -> Iterator[None]:
    """Within the block float32 convolutions and products use TF32, and cuDNN does not try its algorithms."""
    with arithmetic_kept():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = False
        yield


def referred(form: Form) -> Form:
    """Return the form with the reference's arithmetic."""

    def call() -> None:
        with reference_arithmetic():
            form()

    return call


@contextmanager
def trying_algorithms(value: bool) -> Iterator[None]:
    """Within the block cuDNN tries its algorithms for each new shape, or does not."""
    with arithmetic_kept():
        torch.backends.cudnn.benchmark = value
        yield


def literal_segmenter_step(bench: Bench, batch: int, *patch: int) -> Form:
    return referred(Step((batch, 1, *bench.size(*patch)), literal=True, device=bench.device, channels=bench.channels))


class FixedPatches:
    """A sampler that always gives the same patches."""

    def __init__(self, batch: int, patch: tuple[int, ...], device: torch.device) -> None:
        torch.manual_seed(0)
        self.images = torch.randn(batch, 1, *patch).to(device)
        self.labels = torch.randint(0, CLASSES, (batch, *patch)).to(device)

    def draw(self, *_: object) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images, self.labels


def segmenter_trainer(bench: Bench, sampler: Any, steps: int = 1_000_000) -> SegmenterTrainer:
    """Return a training of the paper's network in bfloat16."""
    torch.manual_seed(0)
    values = method()
    network = make_segmenter(CLASSES, bench.channels, **values["networks"]["dar_unet"])
    settings = {key: values["segmentation"][key] for key in OPTIMIZATION}
    return SegmenterTrainer(network, sampler, Job(0, "", bench.device, torch.bfloat16), steps, **settings)


def segmenter_step(bench: Bench, batch: int, *patch: int) -> Form:
    return updates(segmenter_trainer(bench, FixedPatches(batch, bench.size(*patch), bench.device)))


def updates(training: Any) -> Form:
    """Return a form that does the next update of a training."""
    done = iter(range(10**9))
    return lambda: training.update(next(done))


def gan_size(bench: Bench, batch: int, pixels: int) -> dict[str, int]:
    return {"batch_size": 1, "pixels": 64, "width": 4} if bench.tiny else {"batch_size": batch, "pixels": pixels}


def literal_gan_step(bench: Bench, batch: int, pixels: int) -> Form:
    training = literal_trainer(torch.float32, bench.device, **gan_size(bench, batch, pixels))
    images = [sampler.images for sampler in training.samplers]
    return referred(lambda: literal_step(training, *images))


def gan_step(bench: Bench, batch: int, pixels: int) -> Form:
    return updates(trainer(torch.bfloat16, bench.device, **gan_size(bench, batch, pixels)))


def windows_of_a_slab(bench: Bench, *window: int) -> Form:
    """Return a form that predicts a volume as deep as a window and twice as large: nine windows in bfloat16."""
    torch.manual_seed(0)
    inference, window = method()["inference"], bench.size(*window)
    options = {key: inference[key] for key in ("overlap", "weighting", "batch_size")}
    network = make_segmenter(CLASSES, bench.channels).to(bench.device).eval()
    scores = WindowScores(network, torch.bfloat16).on(bench.device, options["batch_size"])
    image = np.random.default_rng(0).integers(0, 65536, (window[0], 2 * window[1], 2 * window[2])).astype(np.uint16)
    return lambda: list(predict_slabs(scores, image, window, device=bench.device, **options))


def spread(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return the ranges of forms, and how often each was timed."""
    ranges = " / ".join(f"{min(took):.3g}-{max(took):.3g}" for took in seconds.values())
    return f"{ranges}, n {' / '.join(str(len(took)) for took in seconds.values())}"


def peaks(make: Callable[[], Form], unrecorded: int, device: torch.device) -> tuple[float | None, float | None]:
    """Return the MiB that torch has allocated and reserved at most after the first call of a form; None on a CPU.

    In its first call cuDNN may try algorithms, with memory that it needs once. All that follows counts: torch counts
    what a replay uses when the capture allocates it.

    Args:
        unrecorded: After how many calls the form does what it goes on to do.
    """
    if device.type != "cuda":
        make()()
        return None, None
    free(device)
    form = make()
    form()
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(max(1, unrecorded)):
        form()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) / MIB, torch.cuda.max_memory_reserved(device) / MIB


def free(device: torch.device) -> None:
    """Free what forms have left that nothing uses: trainings hold themselves, and torch keeps memory that it frees."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def flop_of(form: Form) -> float:
    """Return the floating-point operations of the convolutions and products of one call."""
    with FlopCounterMode(display=False) as counter:
        form()
    return float(counter.get_total_flops())
