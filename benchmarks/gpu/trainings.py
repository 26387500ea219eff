"""Stage `trainings`: two on the phantom: a segmenter that must segment, a translator whose losses must fall."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.gpu.stage import Tasks
from benchmarks.gpu.volumes import Split, domains_of, split_of, stacks_of, unpacked
from benchmarks.gpu.workloads import method, trying_algorithms
from dar_uda.data.network_volume import open_image, open_label
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.train import train_segmenter
from dar_uda.training.device import use_device
from dar_uda.training.job import Job
from dar_uda.translation.train import train_translator

LEAST_DICE, GAN_STEPS = 0.75, 100
SMALL = {"channels": [8, 8, 8, 8, 8], "patch_size": [4, 32, 32], "width": 4}
"""What --tiny trains."""


def run(tasks: Tasks) -> None:
    use_device(str(tasks.device), torch.get_num_threads())  # as every training does
    cases = unpacked(tasks.settings.data / "phantom.tar.xz", tasks.settings.scratch)
    values = method("demo")
    tasks.do("translator", lambda: translator(tasks, cases, values))
    tasks.do("supervised", lambda: supervised(tasks, cases, values, LEAST_DICE), seconds=75)


def supervised(tasks: Tasks, cases: Path, values: Mapping[str, Any], least: float | None) -> dict[str, Any]:
    """Train on labeled volumes of the target; return the mean Dice of its test cases on the network grid."""
    split = split_of(cases, domains_of(cases)[1])
    segmentation = values["segmentation"]
    if tasks.tiny:
        segmentation |= {"steps": 2, "channels": SMALL["channels"], "patch_size": SMALL["patch_size"]}
        values["inference"]["overlap"] = 0
    classes = 1 + max(int(open_label(label).max()) for label in split.labels)
    folder = _folder(tasks, cases, "segmenter")
    weights, history = folder / "weights.safetensors", folder / "history.tsv"
    network, job = values["networks"]["dar_unet"], Job(0, "", tasks.device, torch.bfloat16)
    start = time.perf_counter()
    train_segmenter(
        split.images, split.labels, weights, history, folder / "usage.json", job, classes, network, segmentation
    )
    trained = time.perf_counter()
    dices = test_dices(split, weights, segmentation["patch_size"], values["inference"], classes, tasks.device)
    took = {"training": trained - start, "prediction": time.perf_counter() - trained}
    good = least is None or tasks.tiny or float(np.mean(dices)) >= least
    rows = pd.read_csv(history, sep="\t")
    return {
        "state": "ok" if good else "failed",
        **{"dice": float(np.mean(dices)), "least": least, "dices": dices, "steps": len(rows)},
        "took": took,
        "losses": rows["loss"].iloc[[0, -1]].tolist(),
    }


def test_dices(
    split: Split,
    weights: Path,
    window: Sequence[int],
    inference: Mapping[str, Any],
    classes: int,
    device: torch.device,
) -> list[float]:
    """Return the mean Dice over the structures of every test case; one that is nowhere does not count.

    In the precision of predictions on this card. cuDNN does not try its algorithms for windows of so few scans.
    """
    options = {key: inference[key] for key in ("overlap", "weighting", "batch_size", "guided_filter_radius")}
    predictor, dices = Predictor.load(weights, device, "auto", window, **options, flips=False), []
    for image, label in zip(split.test_images, split.test_labels, strict=True):
        with trying_algorithms(False):
            predicted = predictor.classes(open_image(image))
        true = np.asarray(open_label(label))
        dices.append(float(np.nanmean([dice(predicted == index, true == index) for index in range(1, classes)])))
    return dices


def dice(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the Dice of two masks; NaN where both are empty."""
    size = np.count_nonzero(predicted) + np.count_nonzero(true)
    return 2 * np.count_nonzero(predicted & true) / size if size else float("nan")


def translator(tasks: Tasks, cases: Path, values: Mapping[str, Any], steps: int = GAN_STEPS) -> dict[str, Any]:
    """Train a translator; return the pixel losses of the first and of the last fifth of its steps, which must fall."""
    folder = _folder(tasks, cases, "translator")
    slices = stacks_of(cases, domains_of(cases), folder)
    translation = values["translation"] | {"steps": 2 if tasks.tiny else steps, "preview_every": 10**9}
    if tasks.tiny:
        translation |= {"width": SMALL["width"]}
    outputs = (folder / name for name in ("weights.safetensors", "history.tsv", "previews.png"))
    start = time.perf_counter()
    train_translator(slices, *outputs, Job(0, "", tasks.device, torch.bfloat16), translation)
    took = time.perf_counter() - start
    rows = pd.read_csv(folder / "history.tsv", sep="\t")
    fifth = max(1, len(rows) // 5)
    pixels = rows["pixel_reconstruction"] + rows["pixel_cycle"]
    first, last = float(pixels.iloc[:fifth].mean()), float(pixels.iloc[-fifth:].mean())
    good = bool(np.isfinite(rows.to_numpy()).all()) and (tasks.tiny or last < first)
    return {"state": "ok" if good else "failed", "losses": [first, last], "steps": len(rows), "took": took}


def _folder(tasks: Tasks, cases: Path, name: str) -> Path:
    folder = tasks.settings.scratch / f"{cases.name}-{name}"
    folder.mkdir(exist_ok=True)
    return folder
