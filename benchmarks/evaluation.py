"""Scoring of one case: all metrics of four organs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from benchmarks.measure import Row, interleaved, timed_row
from dar_uda.evaluation.metrics import score_structures

SHAPE, SPACING = (64, 512, 512), (4.0, 0.8, 0.8)
ORGANS = {  # center and semi-axes in mm, (depth, height, width)
    "liver": ((128, 200, 130), (75, 70, 68)),
    "spleen": ((150, 260, 300), (50, 35, 28)),
    "right kidney": ((110, 270, 150), (55, 30, 28)),
    "left kidney": ((110, 270, 270), (55, 30, 28)),
}
SHIFT_MM, BUMPS, TOLERANCE_MM = 3.0, 0.08, 3.0


def rows() -> Iterator[Row]:
    """Yield the row of scoring one case of 512 x 512 x 64 voxels of 0.8 x 0.8 x 4 mm.

    The reference holds 1.49 M, 0.17 M, 0.20 M and 0.19 M mm3 (liver, spleen, kidneys); the Dice is that of a usable
    prediction, 0.8 to 0.9.
    """
    from benchmarks.literal.metrics import literal_scores

    prediction, reference = label_maps(seed=0)
    matrix, tolerances = np.diag(SPACING), [TOLERANCE_MM] * len(ORGANS)
    found = {}
    seconds = interleaved(
        {
            "literal": lambda: found.update(literal=literal_scores(prediction, reference, len(ORGANS), SPACING)),
            "ours": lambda: found.update(ours=score_structures(prediction, reference, matrix, tolerances)),
        }
    )
    difference = np.abs(np.subtract(found["literal"], [score[:3] for score in found["ours"]])).max()
    yield timed_row("scores of four organs, 512 x 512 x 64", seconds, "ours", 0.02, note=f"differ by {difference:.0e}")


def label_maps(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a prediction and a reference: bumpy ellipsoids, the predicted ones moved and with other bumps."""
    rng = np.random.default_rng(seed)
    prediction, reference = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for structure, (center, semi_axes) in enumerate(ORGANS.values(), start=1):
        reference[_blob(center, semi_axes, rng)] = structure
        prediction[_blob(center + rng.normal(scale=SHIFT_MM, size=3), semi_axes, rng)] = structure
    return prediction, reference


def _blob(center: NDArray | tuple, semi_axes: tuple, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return an ellipsoid whose radius wavers smoothly by about `BUMPS` of itself."""
    knots = rng.normal(scale=BUMPS, size=(9, 17, 17))
    bumps = zoom(knots, np.divide(SHAPE, knots.shape), order=1)
    depth, height, width = (
        ((np.arange(size) * mm - middle) / half) ** 2
        for size, mm, middle, half in zip(SHAPE, SPACING, center, semi_axes, strict=True)
    )
    return np.sqrt(depth[:, None, None] + height[:, None] + width) + bumps < 1
