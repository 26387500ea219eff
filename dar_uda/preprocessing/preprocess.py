"""One case to the network grid; how to come back is written beside it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dar_uda.data.grid import Grid, read_grids, write_grids
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.data.volume import Volume, read_volume
from dar_uda.preprocessing.classes import read_classes
from dar_uda.preprocessing.intensity import to_unit_range, window_of, without_fill
from dar_uda.preprocessing.network_grid import network_grid_of, voxels_within
from dar_uda.preprocessing.paper_protocol import crop_to_labels
from dar_uda.preprocessing.resample import resample
from dar_uda.preprocessing.settings import Preprocessing


def preprocess_image(
    case: str,
    origin: str | Path,
    image: str | Path,
    grid: str | Path,
    settings: Preprocessing,
    region: str | Path | None = None,
    label: str | Path | None = None,
    check: Callable[[Volume], None] | None = None,
) -> None:
    """Write a scan on the network grid, intensities in [0, 1], and its two grids.

    Args:
        case: Name for errors.
        origin: NIfTI file or folder of DICOM files.
        image: NIfTI to write: uint16 with a slope, axes (width, height, depth).
        grid: JSON to write: the grids `original` and `network`, both in their file's axis order.
        region: JSON of `find_region`, to which the grid is cut; None: it spans the scan's field of view.
        label: Protocol `paper`: the scan's label map, to whose range the slices are cropped; None: they are not.
        check: Called with the scan as it is read, to raise where it is not fit for use.

    Raises:
        ValueError: The scan cannot be read or scaled; the message names the case.
    """
    try:
        scan = read_volume(origin)
        if check:
            check(scan)
        original = scan.grid
        if label:
            scan = crop_to_labels(case, scan, origin, label, settings.values, settings.slice_axis)
        cleaned, air = without_fill(scan.array, **settings.intensity)
        scan = Volume(cleaned, scan.grid)  # and the values as read, hundreds of megabytes, are free
        array, network = on_network_grid(scan, air, settings, region)
        write_image(image, array.T, network.affine)
    except (ValueError, RuntimeError) as error:  # SimpleITK raises the latter
        raise ValueError(f"Case {case} ({origin}): {error}") from error
    write_grids(grid, original=original, network=network)


def preprocess_label(
    case: str,
    origin: str | Path,
    scan: str | Path,
    grid: str | Path,
    label: str | Path,
    values: Sequence[Sequence[int]],
) -> None:
    """Write a label map, its values mapped to classes 1..K, on the network grid of its image.

    Args:
        case: Name for errors.
        origin: Label file on the image's original grid, or a folder of PNG files: see `read_label`.
        scan: The image as the user has it.
        grid: JSON that `preprocess_image` wrote.
        label: NIfTI to write: uint8, axes (width, height, depth).
        values: Label values of each class, see `map_labels`.

    Raises:
        ValueError: See `read_classes`.
    """
    original, network = read_grids(grid)
    classes = read_classes(case, origin, scan, original, values)
    moved = resample(classes, original.affine, network.affine, network.shape, "nearest", fill=0)
    write_label(label, moved.T, network.affine)


def on_network_grid(
    scan: Volume, air: float, settings: Preprocessing, region: str | Path | None
) -> tuple[NDArray[np.float32], Grid]:
    """Return a scan on its network grid, intensities in [0, 1], axes (width, height, depth), and that grid.

    Args:
        scan: As `without_fill` leaves it.
        air: Its level.
        region: See `preprocess_image`.

    Raises:
        ValueError: The scan has no network grid, see `network_grid_of`, or cannot be scaled.
    """
    network = network_grid_of(scan, air, settings, region)
    moved = resample(scan.array, scan.grid.affine, network.affine, network.shape, "linear", air)
    seen = scan.array[voxels_within(network, scan.grid)]
    return _scaled(moved, seen, air, scan.array.size, settings.intensity), network


def _scaled(
    moved: NDArray[np.float32], seen: NDArray[np.float32], air: float, voxels: int, intensity: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Return intensities in [0, 1] of a scan on the network grid; `seen` are the scan's own voxels there."""
    try:
        return to_unit_range(moved, **window_of(seen, air, voxels, **intensity))
    except ValueError as error:
        width, height, depth = moved.shape
        raise ValueError(
            f"On the network grid ({width} x {height} x {depth} voxels): {error}. If the anatomy lies outside it, "
            "raise `size` or `spacing` of the task's grid; if the scan is darker than its window, change `intensity`; "
            "if it is smaller than a few voxels of this grid, correct its spacing."
        ) from error
