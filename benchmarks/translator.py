"""The training step of the translator, and synthesis."""

import copy
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.gpu.rows import gpu_rows
from benchmarks.literal.synthesis import literal_redraw
from benchmarks.literal.translator import literal_step, with_torchs_layers
from benchmarks.measure import Row, cpu_has_bfloat16, interleaved, timed_row
from dar_uda.jobs.progress import Progress
from dar_uda.training.job import Job
from dar_uda.translation.redraw import redraw
from dar_uda.translation.synthesis import in_styles
from dar_uda.translation.train import TranslatorTrainer
from dar_uda.translation.translator import Translator

CPU, PIXELS, WIDTH, SLICES, STYLES = torch.device("cpu"), 128, 32, 16, 6
LOSS_WEIGHTS = {
    "pixel_reconstruction": 10,
    "pixel_cycle": 10,
    "content_reconstruction": 1,
    "style_reconstruction": 1,
    "adversarial_image": 1,
    "adversarial_content": 1,
}


def rows() -> Iterator[Row]:
    """Yield the rows of training and synthesis."""
    yield from step_rows()
    yield from synthesis_rows()


def step_rows() -> Iterator[Row]:
    native = cpu_has_bfloat16()
    literal, plain = literal_trainer(torch.float32), trainer(torch.float32)
    images = [sampler.images for sampler in literal.samplers]
    steps = {"literal": lambda: literal_step(literal, *images), "float32": lambda: plain.update(0)}
    if native:
        reduced = trainer(torch.bfloat16)
        steps["bfloat16"] = lambda: reduced.update(0)
    seconds = interleaved(steps)
    what = f"GAN step, one pair of {PIXELS} x {PIXELS}, width {WIDTH}"
    yield timed_row(f"{what}, float32", seconds, "float32", 0.80)
    if native:
        yield timed_row(f"{what}, bfloat16 autocast", seconds, "bfloat16", 0.55)
    else:
        yield Row(f"{what}, bfloat16 autocast", "s", None, None, 0.55, "this CPU has no bfloat16")
    yield from gpu_rows("gan_step")


def synthesis_rows() -> Iterator[Row]:
    torch.manual_seed(0)
    translator = Translator(WIDTH).eval()
    literal = with_torchs_layers(copy.deepcopy(translator))
    slices = np.random.default_rng(0).integers(0, 65536, (SLICES, PIXELS, PIXELS)).astype(np.uint16)
    codes = torch.randn(STYLES, 8)
    forms = {
        "literal": lambda: literal_redraw(literal, slices, codes),
        "ours": lambda: redraw(in_styles(translator, codes), slices, len(codes), CPU, Progress("benchmark", SLICES)),
    }
    np.testing.assert_allclose(forms["literal"](), forms["ours"](), atol=1e-3)
    yield timed_row(f"synthesis, {SLICES} slices in {STYLES} styles", interleaved(forms), "ours", 0.5)


class FixedSlices:
    """A sampler that always gives the same images."""

    def __init__(self, batch: int, pixels: int, device: torch.device) -> None:
        self.size = (pixels, pixels)
        self.images = (torch.rand(batch, 1, pixels, pixels) * 2 - 1).to(device)

    def draw(self, *_: object) -> torch.Tensor:
        return self.images


def trainer(
    dtype: torch.dtype, device: torch.device = CPU, batch_size: int = 1, pixels: int = PIXELS, width: int = WIDTH
) -> TranslatorTrainer:
    """Return a trainer on one batch of random images per domain."""
    torch.manual_seed(0)
    samplers = [FixedSlices(batch_size, pixels, device) for _ in "ab"]
    rates = {"generator": 1e-4, "discriminator": 2e-4}
    return TranslatorTrainer(samplers, Job(0, "", device, dtype), width, 8, False, rates, 0.999, LOSS_WEIGHTS)


def literal_trainer(dtype: torch.dtype, device: torch.device = CPU, **sizes: int) -> TranslatorTrainer:
    """Return the same with torch's own layers."""
    training = trainer(dtype, device, **sizes)
    with_torchs_layers(training.translator)
    with_torchs_layers(training.discriminators)
    return training
