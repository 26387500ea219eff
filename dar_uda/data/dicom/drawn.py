"""What a DICOM SEG and an RTSTRUCT have in common: structures with numbers and names, drawn on a series."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import Grid

Voxels = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Indices along the three axes of the image's array."""


class Drawn(ABC):
    """Structures that were drawn on a series, in a file of their own."""

    path: Path

    @abstractmethod
    def names(self) -> dict[int, str]:
        """Return the name of each structure by its number."""

    @abstractmethod
    def spaces(self) -> dict[int, str]:
        """Return the frame of reference in which each structure lies, by its number, as far as the file says."""

    @abstractmethod
    def series(self) -> set[str]:
        """Return the UIDs of the series on which they were drawn, as far as the file says."""

    @abstractmethod
    def draw(self, grid: Grid, numbers: Sequence[int]) -> Iterator[tuple[int, Voxels]]:
        """Yield parts of the structures of these numbers, each structure's after those of the one before.

        Raises:
            ValueError: The file cannot be read, or does not lie on the grid.
        """
