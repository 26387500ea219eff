"""Loading of training patches: augmented 32 x 256 x 256 crops, ready for the network."""

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch

from benchmarks.evaluation import label_maps
from benchmarks.gpu.rows import gpu_rows
from benchmarks.literal.loading import LiteralPatchSampler
from benchmarks.measure import Row, cpu_has_bfloat16, interleaved, timed_row
from benchmarks.segmenter import Step
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.training.randomness import generator_for

CPU, PATCH, DRAWS, FOREGROUND_FRACTION = torch.device("cpu"), (32, 256, 256), 8, 0.5


def rows() -> Iterator[Row]:
    """Yield loading against the literal form, and against the training step that waits for it."""
    with tempfile.TemporaryDirectory() as folder:
        image, label, literal_image, literal_label = write_volume(Path(folder))
        literal = LiteralPatchSampler([literal_image], [literal_label], PATCH, 1)
        ours = PatchSampler([image], [label], PATCH, 1, FOREGROUND_FRACTION)
        steps = count()
        forms = {
            "literal": lambda: [literal.draw(generator_for(0, next(steps))) for _ in range(DRAWS)],
            "ours": lambda: [ours.draw(generator_for(0, next(steps)), CPU) for _ in range(DRAWS)],
        }
        yield timed_row(f"loading {DRAWS} augmented crops of 32 x 256 x 256", interleaved(forms), "ours", 1.0)
        reduced = cpu_has_bfloat16()
        forms = {
            "step": Step((1, 1, *PATCH), dtype=torch.bfloat16 if reduced else torch.float32),
            "load": lambda: ours.draw(generator_for(0, next(steps)), CPU),
        }
        what = f"loading against a step of that size, {'bfloat16' if reduced else 'float32'}, CPU"
        yield timed_row(what, interleaved(forms), "load", 0.05, literal="step", note="literal is the step")
    yield from gpu_rows("waits")


def write_volume(folder: Path) -> tuple[Path, Path, Path, Path]:
    """Write one volume; return the image and label of the workflow, then those of the literal form."""
    _, label = label_maps(seed=0)
    noise = np.random.default_rng(0).random(label.shape, dtype=np.float32)
    image = label / np.float32(8) + noise / 4
    write_image(folder / "image.nii", image, np.eye(4))
    write_label(folder / "label.nii", label, np.eye(4))
    np.save(folder / "image.npy", image.astype(np.float64))
    np.save(folder / "label.npy", label)
    return folder / "image.nii", folder / "label.nii", folder / "image.npy", folder / "label.npy"
