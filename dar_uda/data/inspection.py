"""How scans would be read, from their headers alone: what `dar-uda inspect` prints."""

from collections.abc import Sequence
from pathlib import Path

from nibabel.orientations import aff2axcodes

from dar_uda.data.checks.image import problems_of_grid
from dar_uda.data.checks.scan import warn_or_refuse
from dar_uda.data.contents import is_dicom
from dar_uda.data.geometry import slice_axis_of, spacing_of
from dar_uda.data.given_images import given_images
from dar_uda.data.grid import Grid
from dar_uda.data.label_numbers import is_drawn
from dar_uda.data.planes import normal_of, plane_of
from dar_uda.data.reading import reason_of
from dar_uda.data.volume import read_grid
from dar_uda.jobs.text import on_one_line

LONGEST = 64
"""Characters of a name that are shown."""


def inspect_scans(scans: Sequence[Path]) -> None:
    """Print a line for every scan, and warn of what is doubtful in its header.

    Args:
        scans: Volume files, folders of one DICOM series, or folders of volume files, each of which is a scan.

    Raises:
        ValueError: Some scans cannot be read, or their headers have errors; the message names each.
    """
    errors = []
    for scan in given_images(scans):
        try:
            if listed := _listing(scan):
                print(*map(on_one_line, listed), sep="\n")
                continue
            grid = read_grid(scan)
            print(on_one_line(f"{scan}: {description_of(grid)}"))
            warn_or_refuse(problems_of_grid(scan, grid))
        except BrokenPipeError:  # the reader has stopped reading
            raise
        except Exception as error:  # whatever a library raises for one scan, the others are inspected
            errors.append(reason_of(scan, error))
    if errors:
        raise ValueError("\n".join(errors))


def _listing(scan: Path) -> list[str]:
    """Return a line for each series below a folder of folders, or each structure of a SEG or RTSTRUCT, else none."""
    if is_drawn(scan):
        from dar_uda.data.dicom.labels import names_of

        return [f"{scan}: structure {number}, {name[:LONGEST]}" for number, name in sorted(names_of(scan).items())]
    if not scan.is_dir() or any(is_dicom(file) for file in scan.iterdir() if file.is_file()):
        return []
    from dar_uda.data.layouts.dicom import listing

    return listing(scan)


def description_of(grid: Grid) -> str:
    """Return shape, spacing, where the axes lead, and which axis is that across the slices and why."""
    axis, reason = slice_axis_of(grid)
    spacing = " x ".join(f"{step:.3g}" for step in spacing_of(grid.affine))
    shape = " x ".join(str(size) for size in grid.shape)
    orientation = "".join(aff2axcodes(grid.affine))
    plane = plane_of(normal_of(grid))
    return f"{shape} voxels of {spacing} mm, axes to {orientation}, slice axis {axis} ({reason}), {plane} slices"
