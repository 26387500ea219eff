"""How large a scan may be: held against what a header says before anything is unpacked or memory is taken."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from dar_uda.data.reading import UnreadableFileError

MOST_VOXELS = 2**29
"""Of a volume: 512 x 512 x 2048. Scans of people in public sets have half as many at most."""
VARIABLE = "DAR_UDA_MAX_VOXELS"
"""Of the environment, so that jobs and what they start know it too."""
SLICES = 32
"""A slice may have this fraction of the voxels of a volume: 4096 x 4096."""
UNPACKED = 8
"""What a packed DICOM file holds may have as many bytes as this fraction of the voxels: 64 MiB."""
RAISE = f"if it is right, raise `max_voxels` in the config (for a command, {VARIABLE} in its environment)"


def raise_ceiling(voxels: int) -> None:
    """Allow volumes of so many voxels, in this process and in those that it starts."""
    os.environ[VARIABLE] = str(voxels)


def most_voxels() -> int:
    """Return the most voxels that a volume may have.

    Raises:
        ValueError: The environment says something else than a whole number above 0.
    """
    given = os.environ.get(VARIABLE) or str(MOST_VOXELS)
    if not (given.isascii() and given.isdigit() and len(given) <= 18 and int(given) > 0):
        raise ValueError(f"DAR-511: {VARIABLE} is {given[:60]!r}, expected a whole number of voxels: correct it")
    return int(given)


def check_voxels(path: str | Path, shape: Sequence[int]) -> None:
    """Raise where a header says more voxels than a volume may have.

    Raises:
        UnreadableFileError: It says so.
    """
    if math.prod(map(int, shape)) > most_voxels():
        raise UnreadableFileError(
            f"DAR-510: {path} has {_by(shape)} voxels by its header, expected {most_voxels()} at most: look at the "
            f"header; {RAISE}"
        )


def check_slice(path: str | Path, size: Sequence[int]) -> None:
    """Raise where a header says more pixels than a slice may have, see `check_voxels`."""
    if math.prod(map(int, size)) > most_voxels() // SLICES:
        raise UnreadableFileError(
            f"DAR-510: {path} has {_by(size)} pixels by its header, expected {most_voxels() // SLICES} at most in a "
            f"slice: look at the header; {RAISE}"
        )


def most_unpacked() -> int:
    """Return how many bytes a packed DICOM file may hold."""
    return most_voxels() // UNPACKED


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
