"""Whether voxels to which a method gives a probability of 0.7 are in the structure 7 times of 10: counts in bins."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import find_objects, maximum_filter

from dar_uda.data.grid import Grid
from dar_uda.data.predictions import mask_path, probabilities_path
from dar_uda.data.probabilities import LEVELS, open_probabilities
from dar_uda.data.reading import OF_RESULTS, reading
from dar_uda.data.volume import read_grid
from dar_uda.jobs.files import write_beside
from dar_uda.preprocessing.classes import read_classes

BINS = 15
"""As many as Guo et al. 2017 use; each holds 17 of the 255 steps of a stored probability, the first also 0."""
MARGIN_MM = 5.0
"""How far beyond a structure voxels of the lowest bin count, see `voxels_that_count`."""
COLUMNS = ["case", "patient", "structure", "bin", "voxels", "probability_sum", "reference_voxels"]
COUNTS = COLUMNS[4:]


def measure_calibration(
    cases: Sequence[str],
    patients: Sequence[str],
    predictions: str | Path,
    images: Sequence[str | Path],
    references: Sequence[str | Path],
    calibration: str | Path,
    structures: Sequence[str],
    values: Sequence[Sequence[int]],
) -> None:
    """Write how probable a structure is in the voxels of each bin, and how many of them have it, for every case.

    Args:
        cases: Names, in the order of the patients, images and references.
        predictions: Folder of the masks, with their probabilities.
        images: The scans as the user has them.
        references: Their label files or folders of PNG files, on the same grids up to order and sense of the axes.
        calibration: Output TSV, columns `COLUMNS`, a row per case, structure and bin (1..15), see `count_in_bins`.
        structures: Names of the classes.
        values: For each structure the values in the label files that make it up.

    Raises:
        FileNotFoundError: A case has no probabilities.
        ValueError: The probabilities are of other classes, or on another grid than the reference.
    """
    rows = []
    for case, patient, image, reference in zip(cases, patients, images, references, strict=True):
        grid = read_grid(mask_path(predictions, case))
        classes = read_classes(case, reference, image, grid, values)
        counts = _count_case(probabilities_path(predictions, case), classes, grid, len(structures))
        for structure, bins in zip(structures, counts, strict=True):
            rows += [(case, patient, structure, index, *sums) for index, sums in enumerate(bins, start=1)]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"voxels": int, "reference_voxels": int})
    with write_beside(calibration) as partial:
        table.to_csv(partial, sep="\t", index=False, float_format="%.6f")


def read_calibration(path: str | Path) -> pd.DataFrame:
    """Return a table of `measure_calibration`."""
    table = pd.read_csv(path, sep="\t", dtype={"case": str, "patient": str, "structure": str}, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        found = list(table.columns)
        raise ValueError(f"DAR-280: {path} has the columns {found}, expected {COLUMNS}: delete it and run again")
    return table


def expected_calibration_error(bins: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """Return the sum over the bins of (voxels / all voxels) * |mean probability - fraction in the reference|.

    0 where every probability is met, at most 1; NaN without any voxel.
    Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015; Guo et al., On calibration
    of modern neural networks, ICML 2017.

    Args:
        bins: A row per bin with the columns `COUNTS`.
        by: Columns; the rows that share them are the bins of one error.
    """
    gaps, keys = (bins["probability_sum"] - bins["reference_voxels"]).abs(), [bins[name] for name in by]
    return gaps.groupby(keys, sort=False).sum() / bins["voxels"].groupby(keys, sort=False).sum()


def count_in_bins(
    steps: NDArray[np.uint8], reference: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `COUNTS` of every bin, shape (15, 3), of the voxels that count.

    Bin k holds the probabilities above (k - 1) / 15 up to k / 15, the first also 0. The counts are the number of
    voxels, the sum of their probabilities, and how many of them the reference has.

    Args:
        steps: Probability of the structure in steps of 1/255, shape (depth, height, width) or any other axis order.
        reference: Mask of the same shape and order.
        matrix: Column k is the step in mm to the next voxel along axis k, (3, 3).
    """
    box, chosen = voxels_that_count(steps, reference, matrix)
    steps, reference = steps[box][chosen], reference[box][chosen]
    voxels = np.bincount(steps, minlength=LEVELS + 1)
    in_reference = np.bincount(steps[reference], minlength=LEVELS + 1)
    sums = voxels * np.arange(LEVELS + 1) / LEVELS
    return np.stack([_in_bins(counts) for counts in (voxels, sums, in_reference)], axis=1)


def voxels_that_count(
    steps: NDArray[np.uint8], reference: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    """Return a box, and which of its voxels count.

    All voxels of the reference count, all with a probability above the lowest bin, and the voxels within `MARGIN_MM` of
    those along each axis, at least one voxel. So no bin but the lowest is cut by where the reference lies, and the
    lowest is cut where hardly anything of the structure is to be expected. Of a whole scan, certain background would
    bring every error near 0; so would a box, where one false voxel far away enlarges it.

    Args:
        steps, reference, matrix: See `count_in_bins`.
    """
    core = reference | (steps > LEVELS // BINS)
    margins = np.ceil(MARGIN_MM / np.linalg.norm(matrix, axis=0)).astype(int)
    (found,) = find_objects(core.view(np.uint8), 1)
    if found is None:
        return (slice(0),) * core.ndim, core[(slice(0),) * core.ndim]
    box = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(found, margins, strict=True))
    return box, maximum_filter(core[box], size=tuple(2 * margins + 1), mode="constant")


def _in_bins(by_level: NDArray) -> NDArray:
    bins = by_level[1:].reshape(BINS, -1).sum(axis=1)
    bins[0] += by_level[0]
    return bins


def _count_case(path: Path, classes: NDArray[np.uint8], grid: Grid, structures: int) -> list[NDArray[np.float64]]:
    """Return `count_in_bins` of every structure; the probabilities of one of them are in memory at a time."""
    if not path.exists():
        raise FileNotFoundError(
            f"DAR-282: {path} is not there: set inference.save_probabilities to true and predict again"
        )
    with reading(path, OF_RESULTS):
        steps, _ = open_probabilities(path)
    expected = (*grid.shape, structures + 1)
    if steps.shape != expected:
        raise ValueError(f"DAR-280: {path} has the shape {steps.shape}, expected {expected}: delete it and run again")
    with reading(path, OF_RESULTS):
        return [count_in_bins(steps[..., k], classes == k, grid.affine[:3, :3]) for k in range(1, structures + 1)]
