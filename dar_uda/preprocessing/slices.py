"""All 2D slices of a domain's training split in one memory-mapped stack."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dar_uda.data.network_volume import open_image
from dar_uda.data.reading import OF_RESULTS, reading
from dar_uda.jobs.files import write_beside


def extract_slices(images: Sequence[str | Path], cases: Sequence[str], slices: str | Path, table: str | Path) -> None:
    """Write the slices of all volumes, volume by volume: never more than one slice stack's pages in memory.

    Args:
        images: Volumes on the network grid, all of one height and width.
        cases: Their names, in the same order.
        slices: .npy to write: uint16, (slices, height, width).
        table: TSV to write, one row per slice of the stack: `case`, `slice` (index in its volume, from 0) and
            `depth` (slices of that volume).

    Raises:
        ValueError: There is no volume, or one differs from the first in height or width.
    """
    if not images or len(images) != len(cases):
        raise ValueError(
            f"DAR-360: {slices}: found {len(images)} volumes for {len(cases)} cases, expected as many, at least 1"
        )
    shapes = [open_image(image).shape for image in images]
    for case, shape in zip(cases, shapes, strict=True):
        if shape[1:] != shapes[0][1:]:
            raise ValueError(
                f"DAR-160: Case {case}: slices of {shape[1:]} pixels, expected {shapes[0][1:]} as in {cases[0]}"
            )
    depths = [shape[0] for shape in shapes]
    with write_beside(slices) as stack_path, write_beside(table) as table_path:
        header = {"descr": "<u2", "fortran_order": False, "shape": (sum(depths), *shapes[0][1:])}
        with stack_path.open("wb") as file:  # no memory map: on a full disk that ends in a bus error
            np.lib.format.write_array_header_1_0(file, header)
            for image in images:
                np.ascontiguousarray(open_image(image)).tofile(file)
        rows = [(case, index, depth) for case, depth in zip(cases, depths, strict=True) for index in range(depth)]
        pd.DataFrame(rows, columns=["case", "slice", "depth"]).to_csv(table_path, sep="\t", index=False)


def open_slices(path: str | Path) -> np.memmap:
    """Return a stack that `extract_slices` wrote, read-only and memory-mapped: uint16, (slices, height, width)."""
    with reading(path, OF_RESULTS):
        return np.load(path, mmap_mode="r")
