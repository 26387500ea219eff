"""Preprocessing of one 512 x 512 x 200 scan: peak memory of its process, and seconds beyond reading and writing."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from benchmarks.measure import Row

REPEATS = 5
SHAPE, SPACING = (512, 512, 200), (0.8, 0.8, 2.5)
CT, MR = {"window": (-350, 350)}, {"percentile": 99.9}
MEASURE = """
import json, sys, time
from benchmarks.measure import grown_mib
from dar_uda.preprocessing import preprocess
from dar_uda.preprocessing.settings import Preprocessing

seconds = {}

def timed(function):
    def call(*arguments):
        start = time.perf_counter()
        result = function(*arguments)
        seconds[function.__name__] = time.perf_counter() - start
        return result
    return call

preprocess.read_volume, preprocess.write_image = timed(preprocess.read_volume), timed(preprocess.write_image)
*files, settings = json.loads(sys.argv[1])
timed(preprocess.preprocess_image)(*files, Preprocessing(**settings))
seconds["peak_mib"] = grown_mib(0)
print(json.dumps(seconds))
"""


def rows() -> Iterator[Row]:
    """Yield peak memory and seconds of CT and MR, at the abdomen's grid and at the scan's own depth; medians of 5."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_scan(Path(folder) / "scan.nii.gz")
        for name, intensity in (("CT", CT), ("MR", MR)):
            for depth, grid in ((4.0, "1 x 1 x 4 mm"), (None, "1 x 1 mm, own depth")):
                costs = [measure((1.0, 1.0, depth), 512, intensity, source) for _ in range(REPEATS)]
                what = f"preprocessing 512 x 512 x 200, {name}, {grid}"
                peaks, seconds = ([cost[index] for cost in costs] for index in (0, 1))
                yield Row(f"{what}: peak", "MiB", None, statistics.median(peaks), 1024, "of the whole process")
                spread = f"{min(seconds):.3g}-{max(seconds):.3g}, n {REPEATS}"
                yield Row(f"{what}: beyond I/O", "s", None, statistics.median(seconds), 3, spread)


class Cost(NamedTuple):
    """What preprocessing one scan takes; `beyond` is the whole less reading the file and writing the result."""

    peak_mib: float
    beyond_seconds: float
    read_seconds: float
    write_seconds: float


def measure(spacing: tuple[float, float, float | None], size: int, intensity: dict, source: Path | None = None) -> Cost:
    """Return the cost of `preprocess_image` in a process of its own.

    Args:
        spacing: mm along (width, height, depth); depth None: the scan's own.
        size: Pixels of the in-plane square.
        intensity: `CT` (window) or `MR` (percentile).
        source: A file of `write_scan`, to spare making it again (seconds).
    """
    with tempfile.TemporaryDirectory() as folder:
        if source is None:
            source = write_scan(Path(folder) / "scan.nii.gz")
        settings = {"spacing": spacing, "size": size, "intensity": intensity}
        arguments = ["c1", str(source), f"{folder}/image.nii", f"{folder}/grid.json", settings]
        command = [sys.executable, "-c", MEASURE, json.dumps(arguments)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    read, write = found["read_volume"], found["write_image"]
    return Cost(found["peak_mib"], found["preprocess_image"] - read - write, read, write)


def write_scan(path: Path, shape: tuple[int, int, int] = SHAPE) -> Path:
    """Write noisy tissue in a round body within air, int16 as scanners store it."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices(shape[:2]) - 255.5
    body = (rows / 200) ** 2 + (columns / 140) ** 2 < 1
    scan = np.empty(shape, np.int16, order="F")
    for index in range(shape[2]):
        scan[..., index] = np.where(body, rng.normal(40, 60, shape[:2]), -1000)
    nib.save(nib.Nifti1Image(scan, np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1])), path)
    return path
