"""The grid ceiling: the Dice that labels keep on the way to the network grid and back, which masks share."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.geometry import spacing_of
from dar_uda.data.grid import read_grids
from dar_uda.data.network_volume import open_label
from dar_uda.evaluation.overlap import dice
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress
from dar_uda.preprocessing.classes import read_classes
from dar_uda.preprocessing.restore import restore_classes

COLUMNS = ["structure", "dice"]


def measure_grid_ceiling(
    cases: Sequence[str],
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    grids: Sequence[str | Path],
    network_labels: Sequence[str | Path],
    table: str | Path,
    structures: Sequence[str],
    values: Sequence[Sequence[int]],
) -> None:
    """Bring the label maps of a domain back from the network grid, as masks are, and compare them with the labels.

    Args:
        cases: Names of labeled cases, in the order of the files.
        images: The scans as the user has them.
        labels: Their label files or folders of PNG files.
        grids: JSON that `preprocess_image` wrote.
        network_labels: Label maps that `preprocess_label` wrote.
        table: TSV to write: `structure dice`. The mean over the cases whose label has the structure, each on its scan's
            grid; empty where none has.
        structures: Names of classes 1..K.
        values: Label values of each class, see `map_labels`.
    """
    scores = []
    progress = Progress("measure_grid_ceiling", len(cases), unit="case")
    files = zip(cases, images, labels, grids, network_labels, strict=True)
    for done, (case, image, label, grid, network_label) in enumerate(files, start=1):
        restored = restore_classes(_one_hot(network_label, len(structures)), grid)
        reference = read_classes(case, label, image, restored.grid, values)
        scores.append([dice(restored.array == k, reference == k) for k in range(1, len(structures) + 1)])
        progress.report(done)
    means = pd.DataFrame(scores, columns=list(structures)).mean()
    with write_beside(table) as partial:
        rows = pd.DataFrame(means.items(), columns=COLUMNS)
        rows.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def read_grid_ceiling(table: str | Path) -> pd.Series:
    """Return the grid ceiling by structure, from a table that `measure_grid_ceiling` wrote; NaN where it is empty."""
    found = pd.read_csv(table, sep="\t", dtype={"structure": str}, keep_default_na=False, na_values={"dice": [""]})
    return found.astype({"dice": float}).set_index("structure")["dice"]


def slice_spacings(grids: Sequence[str | Path]) -> tuple[float, float]:
    """Return how far the slices of scans, and of their network grids, are apart in mm: medians.

    Args:
        grids: JSON that `preprocess_image` wrote, at least one.
    """
    spacings = []
    for original, network in map(read_grids, grids):
        axis = int(np.abs(np.linalg.solve(network.affine, original.affine)[2, :3]).argmax())
        spacings.append((spacing_of(original.affine)[axis], spacing_of(network.affine)[2]))
    scan, grid = np.median(spacings, axis=0)
    return float(scan), float(grid)


def _one_hot(network_label: str | Path, structures: int) -> Iterator[NDArray[np.float32]]:
    """Yield a label map on the network grid as probabilities of 0 and 1, slice by slice: (classes, 1, H, W)."""
    classes = np.arange(structures + 1).reshape(-1, 1, 1, 1)
    for section in open_label(network_label):
        yield (section == classes).astype(np.float32)
