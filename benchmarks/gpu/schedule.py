"""Stage `schedule`: hours of the paper's schedule, from steps in a row with their data: literal form against ours."""

import math
import statistics
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.figures import write_volume
from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.volumes import domains_of, split_of, unpacked
from benchmarks.gpu.workloads import (
    Bench,
    Form,
    free,
    gan_step,
    literal_gan_step,
    method,
    reference_arithmetic,
    segmenter_trainer,
    updates,
)
from benchmarks.literal.loading import LiteralPatchSampler
from benchmarks.measure import seconds_of
from benchmarks.segmenter import Step
from dar_uda.data.network_volume import open_image
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.training.randomness import generator_for

VOLUMES = 24
"""Of the paper's training set, per domain at most."""
LEVELS, LITERAL_STEPS = 10, 3


def run(tasks: Tasks) -> None:
    tasks.do("hours", lambda: hours(tasks), seconds=80)


def hours(tasks: Tasks) -> dict[str, Any]:
    """Return the hours of both trainings; the slices of a volume are those of the kit's, else the phantom's."""
    bench, values = Bench(tasks.device, tasks.tiny), method()
    slices = slices_per_volume(tasks)
    per_epoch = math.ceil(VOLUMES * slices / values["translation"]["batch_size"])
    updates_of = values["segmentation"]["steps"], values["translation"]["epochs"] * per_epoch
    with TemporaryDirectory() as folder:
        forms = {
            "literal": (literal_training_step, literal_gan_step, 1, LITERAL_STEPS),
            "ours": (training_step, gan_step, bench.unrecorded, LEVELS),
        }
        found: dict[str, Any] = {}
        for name, (segmenter, gan, unrecorded, steps) in forms.items():
            made = partial(segmenter, bench, Path(folder)), partial(gan, bench, 4, 512)
            took = [per_step(make, unrecorded, 1 if tasks.tiny else steps, bench) for make in made]
            found[name] = sum(number * seconds for number, seconds in zip(updates_of, took, strict=True)) / 3600
            found[f"{name}_seconds"] = took
    found["note"] = f"{updates_of[0]} segmenter and {updates_of[1]} translator steps, {slices:.1f} slices per volume"
    return {"figures": {"schedule": found}}


def slices_per_volume(tasks: Tasks) -> float:
    """Return the mean depth of the source's training volumes."""
    packed = [tasks.settings.data / name for name in ("volumes.tar.xz", "phantom.tar.xz")]
    cases = unpacked(next(path for path in packed if path.exists()), tasks.settings.scratch)
    return statistics.mean(len(open_image(image)) for image in split_of(cases, domains_of(cases)[0]).images)


def per_step(make: Callable[[], Form], unrecorded: int, steps: int, bench: Bench) -> float:
    """Return the seconds of a step, from several in a row after some that are not recorded; the card is its own."""
    free(bench.device)
    form = make()

    def in_a_row() -> None:
        for _ in range(steps):
            form()

    for _ in range(unrecorded):
        form()
    return seconds_of(in_a_row, bench.device) / steps


def training_step(bench: Bench, folder: Path) -> Form:
    patch = bench.size(32, 256, 256)
    sampler = PatchSampler(*write_volume(folder, patch), patch, 2, 0.0)
    return updates(segmenter_trainer(bench, sampler))


def literal_training_step(bench: Bench, folder: Path) -> Callable[[], None]:
    """Return a step of the literal form on patches that its loader draws before it."""
    patch, steps = bench.size(32, 256, 256), count()
    rng, shape = np.random.default_rng(0), tuple(2 * side for side in patch)
    image, label = folder / "image.npy", folder / "label.npy"
    np.save(image, rng.random(shape))
    np.save(label, rng.integers(0, 5, shape, dtype=np.uint8))
    sampler = LiteralPatchSampler([image], [label], patch, 2)
    step = Step((2, 1, *patch), literal=True, device=bench.device, channels=bench.channels)

    def form() -> None:
        images, labels = sampler.draw(generator_for(0, next(steps)))
        step.images, step.labels = (torch.from_numpy(array).to(bench.device) for array in (images, labels))
        with reference_arithmetic():
            step()

    return form
