"""Dice, ASD and HD95 as the paper's text has them: MedPy on the whole volume, structure by structure."""

import numpy as np
from medpy.metric import binary
from numpy.typing import NDArray


def literal_scores(
    prediction: NDArray[np.uint8], reference: NDArray[np.uint8], count: int, spacing: tuple[float, float, float]
) -> list[tuple[float, float, float]]:
    """Return (Dice, ASD in mm, HD95 in mm) of structures 1 to `count`, all present in both label maps."""
    scores = []
    for structure in range(1, count + 1):
        predicted, true = prediction == structure, reference == structure
        distances = (measure(predicted, true, voxelspacing=spacing) for measure in (binary.assd, binary.hd95))
        scores.append((binary.dc(predicted, true), *distances))
    return scores
