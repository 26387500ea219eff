"""The grid of a volume: shape, affine and the NIfTI header fields that say where it lies."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dar_uda.jobs.files import write_beside

GEOMETRY_FIELDS = (
    "dim_info",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
    "xyzt_units",
)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From DICOM's and ITK's directions to NIfTI's."""
SCANNER = 1
"""NIfTI code of scanner coordinates."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a volume lie.

    Attributes:
        shape: Voxels per axis, in the file's axis order.
        affine: (4, 4), voxel index to world position in mm; x to right, y to anterior, z to superior (RAS).
        header: Geometric fields of the NIfTI header it was read from, nothing else of it; empty for DICOM.
        acquired: Axis across the slices that the scanner acquired, where the file names it; None where it does not.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    header: dict[str, Any] = field(default_factory=dict)
    acquired: int | None = None

    @classmethod
    def about(cls, center: NDArray[np.float64], axes: NDArray[np.float64], shape: tuple[int, int, int]) -> "Grid":
        """Return a grid of this shape with its center at a place.

        Args:
            center: mm (RAS).
            axes: (3, 3), a column per axis of the array: the step in mm from one voxel to the next.
        """
        affine = np.eye(4)
        affine[:3, :3] = axes
        affine[:3, 3] = center - affine[:3, :3] @ middle_of(shape)
        return cls(shape, affine)

    @property
    def center(self) -> NDArray[np.float64]:
        """The place of the grid's center in mm (RAS)."""
        return self.place_of(middle_of(self.shape))

    def place_of(self, index: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where a voxel, or a point between voxels, lies in mm (RAS)."""
        return (self.affine @ [*index, 1.0])[:3]

    def part(self, axis: int, first: int, count: int) -> "Grid":
        """Return the grid of `count` slices along an axis of the array, the first of them at index `first`."""
        shape = tuple(count if other == axis else size for other, size in enumerate(self.shape))
        affine = self.affine.copy()
        affine[:3, 3] += self.affine[:3, axis] * first
        return Grid(shape, affine)

    def to_dict(self) -> dict[str, Any]:
        """Return the grid as lists and numbers, for JSON."""
        affine = self.affine.tolist()
        return {"shape": list(self.shape), "affine": affine, "header": self.header, "acquired": self.acquired}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Grid":
        """Return the grid that `to_dict` wrote."""
        affine = np.array(values["affine"], dtype=np.float64)
        return cls(tuple(values["shape"]), affine, values["header"], values["acquired"])


def middle_of(shape: Sequence[int]) -> NDArray[np.float64]:
    """Return the index of the center of an array of this shape; it lies between two voxels where a side is even."""
    return (np.array(shape) - 1) / 2


def geometry_fields(header: nib.Nifti1Header) -> dict[str, Any]:
    """Return the geometric fields of a NIfTI header as lists and numbers; no text, no names, no times."""
    fields: dict[str, Any] = {name: header[name].tolist() for name in GEOMETRY_FIELDS}
    return {"pixdim": header["pixdim"][:4].tolist(), **fields}


def nifti_header(grid: Grid) -> nib.Nifti1Header:
    """Return a NIfTI header that places voxels on `grid`.

    A grid read from NIfTI gets back exactly the fields it came with. Any other gets the affine as sform and,
    where the axes are orthogonal (a qform cannot say shear), as qform too: programs differ in which
    they read. The slice axis of a DICOM series goes into dim_info.
    """
    header = nib.Nifti1Header()
    if grid.header:
        header["pixdim"][:4] = grid.header["pixdim"]
        for name in GEOMETRY_FIELDS:
            header[name] = grid.header[name]
        return header
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    orthogonal = np.allclose(directions.T @ directions, np.eye(3), atol=1e-4)
    header.set_data_shape(grid.shape)
    header.set_dim_info(slice=grid.acquired)
    header.set_qform(grid.affine, code=SCANNER if orthogonal else 0)
    header.set_sform(grid.affine, code=SCANNER)
    header.set_xyzt_units("mm")
    return header


def write_grids(path: str | Path, original: Grid, network: Grid) -> None:
    """Write the grid of a scan and its network grid as JSON, each in its own file's axis order."""
    grids = {"original": original.to_dict(), "network": network.to_dict()}
    with write_beside(path) as temporary:
        temporary.write_text(json.dumps(grids, indent=1) + "\n")


def read_grids(path: str | Path) -> tuple[Grid, Grid]:
    """Return the original and the network grid that `write_grids` wrote."""
    grids = json.loads(Path(path).read_text())
    return Grid.from_dict(grids["original"]), Grid.from_dict(grids["network"])
