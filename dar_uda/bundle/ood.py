"""How far a scan lies from those that a method was adapted to (out of distribution, OOD): by its brightness alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.network_volume import LEVELS, open_image

QUANTILES = np.arange(1, 20) / 20
BACKGROUND = 0.02
MARGIN = 1.2
"""Of the phantom's and the abdomen's test scans none lies beyond it, of the other modality's scans all do."""


@dataclass(frozen=True)
class TrainingDistribution:
    """What training scans look like on the network grid.

    Attributes:
        quantiles: Means over the scans of the 5 % to 95 % quantiles of what is brighter than background, in [0, 1].
        farthest: Largest distance of a training scan from the mean of the others.
    """

    quantiles: list[float]
    farthest: float

    @classmethod
    def of(cls, images: Sequence[str | Path]) -> "TrainingDistribution":
        """Return that of volumes on the network grid, two at least.

        Raises:
            ValueError: There are fewer.
        """
        if len(images) < 2:
            raise ValueError(
                f"DAR-360: found {len(images)} training scans, expected two at least to tell how far scans differ"
            )
        rows = np.array([quantiles_of(path) for path in images])
        distances = [_distance(row, np.delete(rows, index, axis=0).mean(axis=0)) for index, row in enumerate(rows)]
        return cls(rows.mean(axis=0).tolist(), max(distances))

    def distance(self, image: str | Path) -> float:
        """Return how far a volume on the network grid lies from the training scans, 1 as the farthest of them."""
        least = 1 / LEVELS  # of scans that are all the same
        return _distance(quantiles_of(image), np.array(self.quantiles)) / max(self.farthest, least)


def quantiles_of(image: str | Path) -> NDArray[np.float64]:
    """Return the quantiles of a volume's brightness beyond the background; zeros where nothing is brighter."""
    values = open_image(image) / LEVELS
    values = values[values > BACKGROUND]
    return np.quantile(values, QUANTILES) if len(values) else np.zeros(len(QUANTILES))


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other).mean())
