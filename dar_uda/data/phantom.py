"""The phantom: abdomens with four organs, made from a seed, as the files that a hospital would hand over."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from dar_uda.data.geometry import spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.phantom_anatomy import build_anatomy, label_tissues
from dar_uda.data.phantom_files import MARK
from dar_uda.data.phantom_scanner import MR_STYLES, scan_ct, scan_mr
from dar_uda.jobs.files import write_beside

DOMAINS = ("ct", "mr")
RARE_STYLE = "rare"
RARE_NUMBERS = (7, 11)
COLLECTION_NUMBER = 13
"""The MR case with a collection of fluid, brighter than all else: its percentile leaves the organs dark."""
COMMON_STYLES = tuple(name for name in MR_STYLES if name != RARE_STYLE)
ORIENTATIONS = ("LPS", "RAS", "LAS", "RPI", "PSR", "SLP", "ASL", "LPI")


def make_phantom(
    domain: str,
    number: int,
    image: str | Path,
    label: str | Path,
    seed: int = 0,
    style: str | None = None,
    has_collection: bool | None = None,
) -> None:
    """Write one case: an int16 image (CT in HU, MR in arbitrary units) and its uint8 label map.

    Args:
        domain: "ct" or "mr".
        number: The case's index within its domain; each is another patient on another grid.
        image, label: Paths to write, ending in .nii or .nii.gz.
            Labels: 1 liver, 2 right kidney, 3 left kidney, 4 spleen.
        seed: Another seed makes other patients.
        style: A name in MR_STYLES instead of the case's own (`style_of`); it changes the scanner, not the
            patient. Without effect on CT.
        has_collection: Whether the patient has a large collection of fluid; None: as COLLECTION_NUMBER has it.
    """
    if domain not in DOMAINS:
        raise ValueError(f"DAR-360: Domain {domain!r} is none of {DOMAINS}")
    style = style or style_of(number)
    if style not in MR_STYLES:
        raise ValueError(f"DAR-360: MR style {style!r} is none of {tuple(MR_STYLES)}")
    if has_collection is None:
        has_collection = domain == "mr" and number == COLLECTION_NUMBER
    patient, grid, scanner = np.random.default_rng([seed, DOMAINS.index(domain), number]).spawn(3)
    thickness = MR_STYLES[style].thickness if domain == "mr" else 1.0
    where = draw_grid(domain, grid, thickness)
    points = world_points(where)
    tissue = build_anatomy(points, patient, has_collection=has_collection)
    spacing = spacing_of(where.affine)
    if domain == "ct":
        scan = scan_ct(tissue, points, spacing, scanner)
    else:
        scan = scan_mr(tissue, MR_STYLES[style], spacing, scanner)
    orientation = str(grid.choice(ORIENTATIONS))
    _write(image, np.rint(scan).astype(np.int16), where.affine, orientation)
    _write(label, label_tissues(tissue), where.affine, orientation)


def style_of(number: int) -> str:
    """Return the MR style of a case: the common ones in turn, the rare one at RARE_NUMBERS."""
    if number in RARE_NUMBERS:
        return RARE_STYLE
    turn = number - sum(rare < number for rare in RARE_NUMBERS)
    return COMMON_STYLES[turn % len(COMMON_STYLES)]


def draw_grid(domain: str, rng: np.random.Generator, thickness: float = 1.0) -> Grid:
    """Return the grid (x, y, z) of a random axial stack, oblique in half the cases."""
    in_plane = rng.uniform(2.2, 2.8) if domain == "ct" else rng.uniform(2.0, 2.6)
    between = rng.uniform(5, 6) if domain == "ct" else rng.uniform(6, 7) * thickness
    field_of_view = rng.uniform((340, 258, 202), (390, 305, 216))
    center = rng.uniform((-8, -10, -8), (8, 2, -3))
    angles = rng.uniform(-6, 6, 3) * rng.integers(0, 2)
    spacing = np.array([in_plane, in_plane, between])
    width, height, depth = np.rint(field_of_view / spacing).astype(int).tolist()
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    return Grid.about(center, axes, (width, height, depth))


def world_points(grid: Grid) -> NDArray[np.float32]:
    """Return the world coordinates in mm of every voxel's center, of shape (3, *grid.shape)."""
    linear, origin = grid.affine[:3, :3].astype(np.float32), grid.affine[:3, 3].astype(np.float32)
    points = np.tensordot(linear, np.indices(grid.shape, np.float32), axes=1)
    return points + origin[:, None, None, None]


def _write(path: str | Path, array: NDArray, affine: NDArray[np.float64], orientation: str) -> None:
    """Write an array given in RAS order with its axes stored in another orientation, such as "LPS"."""
    picture = nib.Nifti1Image(array, affine)
    change = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(orientation))
    )
    picture = picture.as_reoriented(change)
    picture.set_sform(picture.affine, code=1)
    picture.set_qform(picture.affine, code=1)
    picture.header.set_xyzt_units("mm")
    picture.header["descrip"] = MARK
    with write_beside(path) as temporary:
        nib.save(picture, temporary)
