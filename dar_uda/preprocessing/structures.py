"""How large the structures of a domain are in its labels, and which are one connected component there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dar_uda.data.components import component_sizes
from dar_uda.data.geometry import spacing_of
from dar_uda.data.network_volume import open_affine, open_label
from dar_uda.jobs.files import write_beside
from dar_uda.jobs.progress import Progress

COLUMNS = ["structure", "voxel_mm", "largest_fraction"]
LEAST_FRACTION = 0.99
"""Fraction of a structure's voxels in its largest component, below which it is not taken for one component."""


def measure_structures(labels: Sequence[str | Path], structures: Sequence[str], table: str | Path) -> None:
    """Measure the structures of all label maps of a domain.

    Args:
        labels: Label maps on the network grid.
        structures: Names of classes 1..K.
        table: TSV to write: `structure voxel_mm largest_fraction`. The mean volume over all label maps, see
            `depth_of_voxel`; and the least fraction of a structure's voxels in its largest connected component, over
            the label maps that have it: empty where none has.
    """
    volumes, fractions = np.zeros((2, len(labels), len(structures)))
    progress = Progress("measure_structures", len(labels), unit="case")
    for done, path in enumerate(labels):
        sizes = component_sizes(open_label(path), len(structures))
        volumes[done] = [each.sum() * depth_of_voxel(open_affine(path)) for each in sizes]
        fractions[done] = [each.max() / each.sum() if len(each) else np.nan for each in sizes]
        progress.report(done + 1)
    columns = {"structure": structures, "voxel_mm": volumes.mean(axis=0), "largest_fraction": np.fmin.reduce(fractions)}
    with write_beside(table) as partial:
        pd.DataFrame(columns).to_csv(partial, sep="\t", index=False)


def depth_of_voxel(affine: NDArray[np.float64]) -> float:
    """Return by what voxels of the network grid count in volumes that are compared between scans: their depth in mm.

    In-plane all are `spacing` wide, of a body `body_width` wide where the grid has one; true mm would compare the sizes
    of patients, and headers that may be wrong.
    """
    return spacing_of(affine)[2]


def mean_volumes(table: str | Path) -> list[float]:
    """Return the mean volume of every structure, see `depth_of_voxel`, from a table that `measure_structures` wrote."""
    return list(_read(table)["voxel_mm"])


def single_structures(table: str | Path) -> list[int]:
    """Return the classes that are one connected component, or nearly (99 %), in every label map that has them.

    Args:
        table: One that `measure_structures` wrote.
    """
    fractions = _read(table)["largest_fraction"]
    return [label for label, fraction in enumerate(fractions, start=1) if fraction >= LEAST_FRACTION]


def _read(table: str | Path) -> pd.DataFrame:
    found = pd.read_csv(table, sep="\t", float_precision="round_trip")
    if list(found) != COLUMNS:
        raise ValueError(
            f"DAR-280: {table} has the columns {', '.join(found)}; expected {', '.join(COLUMNS)}: another version "
            "wrote it; delete it and run again"
        )
    return found
