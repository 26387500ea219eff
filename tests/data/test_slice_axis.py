"""The slice axis of many generated scans in every format, against a definition of its own; and the way back."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from dar_uda.cli.command import main
from dar_uda.data.geometry import canonical_axes, slice_axis_of
from dar_uda.data.grid import Grid, write_grids
from dar_uda.data.volume import read_grid, write_mask
from dar_uda.preprocessing.network_grid import network_grid
from dar_uda.preprocessing.restore import restore_classes
from tests.data.dicom_files import write_slice

SIBLINGS = 300
KINDS = ("nifti", "dim_info", "dicom", "nrrd", "metaimage")
SPACINGS = ((1.0, 1.0, 5.0), (0.9, 0.9, 0.5), (1.0, 1.0, 1.0), (0.7, 0.8, 3.0), (2.0, 1.995, 2.0), (0.3, 0.3, 20.0))
SHAPE = (11, 8, 6)


def generated(number):
    """Return kind, directions (columns, RAS), spacing and the byte of dim_info of a sibling."""
    random = np.random.default_rng(number)
    kind = KINDS[number % len(KINDS)]
    turned = random.random() < 0.7
    directions = Rotation.random(random_state=number).as_matrix() if turned else np.eye(3)[:, random.permutation(3)]
    if kind == "dicom":  # the third axis is the cross product of the others
        directions[:, 2] = np.cross(directions[:, 0], directions[:, 1])
        spacing = np.array(SPACINGS[random.integers(len(SPACINGS))])
        spacing[1] = spacing[0]
    else:
        directions = directions * random.choice([-1, 1], 3)
        spacing = random.permutation(SPACINGS[random.integers(len(SPACINGS))])
    return kind, directions, spacing, int(random.integers(256)) if kind == "dim_info" else 0


def write(folder, number):
    kind, directions, spacing, info = generated(number)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions * spacing, (5.0, -7.0, 11.0)
    values = np.random.default_rng(number).integers(0, 99, SHAPE).astype(np.int16)
    lps = np.diag([-1.0, -1.0, 1.0]) @ directions
    if kind == "dicom":
        path = folder / f"{number}"
        path.mkdir()
        for k in range(SHAPE[2]):
            place = np.array([-5.0, 7.0, 11.0]) + k * spacing[2] * lps[:, 2]
            options = {"directions": lps.T[:2], "spacing": spacing[:2]}
            write_slice(path / f"{k}.dcm", values[..., k].T, place, intercept="0", **options)
        return path
    if kind in ("nifti", "dim_info"):
        path = folder / f"{number}.nii"
        image = nib.Nifti1Image(values, affine)
        image.header["dim_info"] = info
        nib.save(image, path)
        return path
    path = folder / f"{number}.{'nrrd' if kind == 'nrrd' else 'mha'}"
    image = sitk.GetImageFromArray(values.T)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((-5.0, 7.0, 11.0))
    image.SetDirection(lps.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def expected(number):
    """Return the slice axis and the reason, as the documents say it."""
    kind, directions, spacing, info = generated(number)
    if kind == "dicom":
        return 2, "as acquired"
    named = [(info >> shift) & 3 for shift in (0, 2, 4)]  # frequency, phase, slice; 0: not set
    if named[2] and named[2] not in named[:2]:
        return named[2] - 1, "dim_info"
    coarsest = [axis for axis in range(3) if spacing[axis] >= 0.99 * max(spacing)]
    if len(coarsest) == 1:
        return coarsest[0], "coarsest"
    axis = max(coarsest, key=lambda axis: abs(directions[2, axis]))
    if len(coarsest) == 2:
        return axis, "nearer to superior-inferior of two equal spacings"
    return axis, "nearest to superior-inferior of equal spacings"


def expected_plane(directions, axis):
    cosines = dict(zip(("sagittal", "coronal", "axial"), np.abs(directions[:, axis]), strict=True))
    return next((name for name, cosine in cosines.items() if cosine >= 0.8), "oblique")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    return [write(folder, number) for number in range(SIBLINGS)]


def test_inspect_prints_the_axis_the_reason_and_the_plane_of_every_sibling(paths, capsys):
    assert main(["inspect", *map(str, paths)]) == 0
    lines = capsys.readouterr().out.splitlines()
    reasons, planes = set(), set()
    for number, line in enumerate(lines):
        axis, reason = expected(number)
        plane = expected_plane(generated(number)[1], axis)
        assert line.endswith(f", slice axis {axis} ({reason}), {plane} slices"), (number, line)
        reasons.add(reason)
        planes.add(plane)
    assert len(lines) == SIBLINGS and len(reasons) == 5 and len(planes) == 4


def test_every_sibling_is_right_handed_on_its_slice_axis_and_comes_back_to_its_own_grid(paths, tmp_path):
    """What comes back is a half of space, told at each voxel from where it lies in mm."""
    for number, path in enumerate(paths):
        _, directions, _, _ = generated(number)
        random = np.random.default_rng(number)
        configured = int(random.integers(3)) if number % 7 == 0 else None
        axis = expected(number)[0] if configured is None else configured
        grid = read_grid(path)
        network = network_grid(grid, (2.0, 2.0, 2.5), 48, configured)
        assert np.linalg.det(network.affine[:3, :3]) == pytest.approx(2.0 * 2.0 * 2.5)
        assert abs(network.affine[:3, 2] @ directions[:, axis]) == pytest.approx(2.5, rel=1e-4)
        write_grids(tmp_path / "grid.json", grid, network)
        normal, center = random.normal(size=3), grid.affine @ [*(np.array(grid.shape) - 1) / 2, 1]
        normal /= np.linalg.norm(normal)
        ahead = (mm(network) - center[:3]) @ normal > 0
        slabs = [np.stack([~ahead, ahead]).transpose(0, 3, 2, 1).astype(np.float32)]
        restored = restore_classes(slabs, tmp_path / "grid.json")
        assert restored.grid.shape == grid.shape and (restored.grid.affine == grid.affine).all()
        inside = np.linalg.solve(network.affine, np.c_[mm(grid).reshape(-1, 3), np.ones(grid_size(grid))].T)[:3].T
        inside = ((inside >= 0) & (inside <= np.array(network.shape) - 1)).all(axis=1).reshape(grid.shape)
        distance = (mm(grid) - center[:3]) @ normal
        sure = inside & (np.abs(distance) > 2.5)
        np.testing.assert_array_equal(restored.array[sure], distance[sure] > 0)


def grid_size(grid):
    return int(np.prod(grid.shape))


def mm(grid):
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    return indices @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def test_a_mask_names_the_slice_axis_of_its_scan(paths, tmp_path):
    """So that the mask of a series of thin slices is seen along the same slices."""
    for number in [*range(20), *range(2, SIBLINGS, len(KINDS))]:  # all series among them
        grid = read_grid(paths[number])
        write_mask(tmp_path / "mask.nii", np.zeros(grid.shape, np.uint8), Grid.from_dict(grid.to_dict()))
        assert slice_axis_of(read_grid(tmp_path / "mask.nii"))[0] == slice_axis_of(grid)[0] == expected(number)[0]


def test_a_series_of_thin_slices_keeps_them_and_a_configured_axis_beats_all():
    thin = Grid((9, 9, 40), np.diag([0.9, 0.9, 0.5, 1.0]), acquired=2)
    assert canonical_axes(thin)[0][0] == 2
    assert slice_axis_of(thin, 0) == (0, "configured")
    named = Grid((9, 9, 9), np.diag([1.0, 1.0, 5.0, 1.0]), {"dim_info": 16}, acquired=0)
    assert slice_axis_of(named) == (0, "dim_info") and slice_axis_of(named, 1) == (1, "configured")


@pytest.mark.parametrize(("shape", "axis"), [((512, 512, 1), 2), ((1, 64, 64), 0), ((64, 1, 64), 1)])
def test_a_single_slice_is_cut_along_itself_whatever_its_thickness(shape, axis):
    assert slice_axis_of(Grid(shape, np.diag([0.9, 0.9, 0.9, 1.0]))) == (axis, "one slice")
    thin = np.diag([0.9, 0.9, 0.9, 1.0])
    thin[axis, axis] = 0.2
    assert slice_axis_of(Grid(shape, thin)) == (axis, "one slice")
