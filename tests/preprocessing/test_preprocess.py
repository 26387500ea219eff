import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dar_uda.data.grid import Grid, write_grids
from dar_uda.data.network_volume import LEVELS, open_image, open_label
from dar_uda.data.probabilities import probabilities_file
from dar_uda.data.volume import write_mask
from dar_uda.preprocessing.network_grid import network_grid
from dar_uda.preprocessing.preprocess import preprocess_image, preprocess_label
from dar_uda.preprocessing.resample import resample
from dar_uda.preprocessing.restore import restore_classes
from dar_uda.preprocessing.settings import Preprocessing

CT = {"window": [0, 100]}
FOUR_PIXELS = Preprocessing((1, 1, 1), 4, CT)
CENTER = (13.3, -40.7, 88.9)
TILT = Rotation.from_euler("xyz", [25, -35, 15], degrees=True).as_matrix()
TURN = Rotation.from_euler("xyz", [12, 17, 23], degrees=True).as_matrix()
SHEAR = np.array([[1, 0, 0.2], [0, 1, 0], [0, 0, 1]])  # gantry tilt
STORED = {  # directions of the file's axes (columns), spacing, shape
    "axial": (np.diag([-1.0, -1, 1]), (0.8, 0.8, 5), (60, 64, 16)),
    "oblique": (TILT, (0.8, 0.8, 5), (60, 64, 16)),
    "flipped": (TILT @ np.diag([1, -1, -1]), (0.8, 0.9, 5), (60, 64, 16)),
    "left_handed": (TILT @ np.diag([-1, 1, 1]), (0.8, 0.9, 5), (60, 64, 16)),
    "slices_first": (TILT[:, [2, 0, 1]], (5, 0.8, 0.9), (16, 60, 64)),
    "sheared": (TILT @ SHEAR, (0.8, 0.8, 5), (60, 64, 16)),
}


def stored_grid(kind):
    directions, spacing, shape = STORED[kind]
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = CENTER - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def world_mm(grid):
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    return indices @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def boxes(grid):
    """Return two boxes, 7 and 4, at known places in the scan, turned against its axes."""
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    order = np.argsort(spacing, kind="stable")  # in-plane axes first, slices last
    sides = (world_mm(grid) - CENTER) @ np.linalg.inv(grid.affine[:3, :3] / spacing).T
    a, b, c = np.moveaxis(sides[..., order] @ TURN, -1, 0)
    first = (a > -19) & (a < -2) & (abs(b) < 15) & (abs(c) < 22)
    second = (a > 2) & (a < 17) & (b > -12) & (b < 16) & (c > -24) & (c < 21)
    return (first * 7 + second * 4).astype(np.uint8)


def preprocess(folder, grid, array, spacing=(1.0, 1.0, 4.0), size=80, values=((4,), (7,)), body_width=None):
    write_mask(folder / "source.nii.gz", array, grid)
    files = folder / "source.nii.gz", folder / "image.nii", folder / "grid.json"
    preprocess_image("c1", *files, Preprocessing(spacing, size, CT, body_width))
    scan, label = folder / "source.nii.gz", folder / "label.nii"
    preprocess_label("c1", scan, scan, folder / "grid.json", label, values)
    return open_label(folder / "label.nii")


@pytest.mark.parametrize("body_width", [None, 40])
@pytest.mark.parametrize("kind", STORED)
def test_a_mask_that_went_to_the_network_grid_and_back_lies_where_it_was(tmp_path, kind, body_width):
    grid = stored_grid(kind)
    array = boxes(grid)
    network = preprocess(tmp_path, grid, array, size=80 if body_width is None else 128, body_width=body_width)
    one_hot = np.stack([np.asarray(network) == label for label in range(3)]).astype(np.float32)
    restored = restore_classes([one_hot], tmp_path / "grid.json")
    write_mask(tmp_path / "mask.nii.gz", restored.array, restored.grid)
    before, after = nib.load(tmp_path / "source.nii.gz"), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(before.affine, after.affine)
    for name in ("qform_code", "sform_code", "pixdim", "srow_x", "srow_y", "srow_z", "xyzt_units"):
        np.testing.assert_array_equal(before.header[name], after.header[name])
    for label, value in ((1, 4), (2, 7)):
        found, expected = np.asarray(after.dataobj) == label, array == value
        assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.9
        shift = np.argwhere(found).mean(axis=0) - np.argwhere(expected).mean(axis=0)
        assert np.abs(shift).max() < 0.25  # voxels


@pytest.mark.parametrize("kind", STORED)
def test_the_network_volume_opened_in_a_viewer_lies_on_the_scan(tmp_path, kind):
    grid = stored_grid(kind)
    preprocess(tmp_path, grid, boxes(grid))
    scan, network = nib.load(tmp_path / "source.nii.gz"), nib.load(tmp_path / "image.nii")
    here, there = center_of_mass(scan), center_of_mass(network)
    assert np.abs(there - here).max() < 0.05  # mm


def center_of_mass(image):
    """Return the center of mass of the intensities in mm."""
    weights = image.get_fdata()
    return np.tensordot(weights, world_mm(Grid(image.shape, image.affine)), axes=3) / weights.sum()


def test_all_storage_orders_of_one_scan_give_one_network_volume(tmp_path):
    grid = stored_grid("oblique")
    array = boxes(grid)
    expected = np.asarray(preprocess(tmp_path, grid, array))
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (grid.shape[0] - 1)
    affine[:3, 0] *= -1
    other = Grid((16, 60, 64), affine[:, [2, 0, 1, 3]])
    (tmp_path / "other").mkdir()
    found = preprocess(tmp_path / "other", other, array[::-1].transpose(2, 0, 1).copy())
    assert (found != expected).mean() < 1e-4  # nearest neighbors on the edge between two voxels


def test_network_grid_keeps_the_center_of_the_field_of_view_and_the_scans_directions():
    network = network_grid(stored_grid("oblique"), (1.0, 1.0, 4.0), 80)
    assert network.shape == (80, 80, 20)  # 16 slices of 5 mm are 20 of 4 mm
    np.testing.assert_allclose(np.linalg.norm(network.affine[:3, :3], axis=0), (1, 1, 4))
    np.testing.assert_allclose((network.affine @ [39.5, 39.5, 9.5, 1])[:3], CENTER)
    np.testing.assert_allclose(np.abs(network.affine[:3, 2] / 4), np.abs(TILT[:, 2]), atol=1e-12)


def test_no_slice_spacing_keeps_the_scans_slices_and_a_thin_scan_one(tmp_path):
    assert network_grid(stored_grid("axial"), (1.0, 1.0, None), 80).shape == (80, 80, 16)
    assert network_grid(Grid((9, 9, 1), np.diag([1.0, 1, 1, 1])), (1, 1, 4.0), 8).shape == (8, 8, 1)
    grid = Grid((2, 2, 3), np.diag([-1.0, -1.0, 5.0, 1.0]))
    array = (np.arange(12).reshape(2, 2, 3) * 5).astype(np.uint8)
    preprocess(tmp_path, grid, array, spacing=(1.0, 1.0, None), size=2, values=((5,),))
    np.testing.assert_allclose(open_image(tmp_path / "image.nii") / 65535, array.T / 100, atol=1 / 65535)


def test_padding_is_zero_and_cropping_keeps_the_center(tmp_path):
    grid = Grid((4, 4, 2), np.diag([-1.0, -1.0, 4.0, 1.0]))
    array = np.full((4, 4, 2), 100, np.uint8)
    array[0], array[1, 1, 0] = 50, 90  # x = 0 is the leftmost column
    padded = preprocess(tmp_path, grid, array, size=6, values=((100, 90),))
    assert padded[0].tolist() == [[0] * 6, *[[0, 0, 1, 1, 1, 0]] * 4, [0] * 6]
    image = open_image(tmp_path / "image.nii")
    assert (image[:, 0] == 0).all() and (image[:, :, -1] == 0).all()
    assert preprocess(tmp_path, grid, array, size=2, values=((100, 90),)).tolist() == [[[1, 1], [1, 1]]] * 2


def test_a_percentile_is_that_of_what_lies_on_the_network_grid(tmp_path):
    grid = Grid((8, 8, 2), np.diag([-1.0, -1.0, 4.0, 1.0]))
    array = np.full((8, 8, 2), 200, np.uint8)
    array[2:6, 2:6] = np.array([0, 20, 40, 80])[:, None, None]
    write_mask(tmp_path / "source.nii.gz", array, grid)
    files = tmp_path / "source.nii.gz", tmp_path / "image.nii", tmp_path / "grid.json"
    preprocess_image("c1", *files, Preprocessing((1.0, 1.0, 4.0), 4, {"percentile": 100}))
    row = open_image(tmp_path / "image.nii")[0, 0] / LEVELS
    np.testing.assert_allclose(row, [0, 0.25, 0.5, 1], atol=1e-4)


def test_the_json_beside_the_image_holds_both_grids_and_nothing_of_the_patient(tmp_path):
    preprocess(tmp_path, stored_grid("axial"), boxes(stored_grid("axial")))
    grids = json.loads((tmp_path / "grid.json").read_text())
    assert set(grids) == {"original", "network"}
    assert grids["original"]["shape"] == [60, 64, 16]
    assert grids["network"]["shape"] == [80, 80, 20]
    assert set(grids["network"]) == {"shape", "affine", "header", "acquired"}


def test_a_label_on_another_grid_stops_naming_the_case(tmp_path):
    grid = stored_grid("axial")
    preprocess(tmp_path, grid, boxes(grid))
    moved = grid.affine.copy()
    moved[2, 3] += 5
    write_mask(tmp_path / "moved.nii.gz", boxes(grid), Grid(grid.shape, moved))
    with pytest.raises(
        ValueError, match="Case c1: image and label do not share a grid: corners differ by up to 1 voxels"
    ):
        files = tmp_path / "moved.nii.gz", tmp_path / "source.nii.gz", tmp_path / "grid.json"
        preprocess_label("c1", *files, tmp_path / "x.nii", [[4]])


def test_an_empty_scan_stops_naming_the_case_and_the_file(tmp_path):
    write_mask(tmp_path / "empty.nii", np.zeros((4, 4, 2), np.uint8), Grid((4, 4, 2), np.eye(4)))
    with pytest.raises(ValueError, match=r"Case c1 \(.*empty.nii\): .*empty image"):
        preprocess_image("c1", tmp_path / "empty.nii", tmp_path / "i.nii", tmp_path / "g.json", FOUR_PIXELS)


def test_a_scan_that_is_empty_where_the_network_looks_says_so(tmp_path):
    scan = np.zeros((20, 20, 2), np.uint8)
    scan[:3, :3] = 50  # a corner, far from the four central pixels of the network grid
    write_mask(tmp_path / "corner.nii", scan, Grid(scan.shape, np.eye(4)))
    with pytest.raises(
        ValueError, match=r"corner.nii\): On the network grid \(4 x 4 x 2 voxels\): .*empty image.* raise `size`"
    ):
        preprocess_image("c1", tmp_path / "corner.nii", tmp_path / "i.nii", tmp_path / "g.json", FOUR_PIXELS)


def test_a_border_between_network_voxels_lies_where_the_probabilities_cross(tmp_path):
    original, network = Grid((13, 1, 1), np.eye(4)), Grid((4, 1, 1), np.diag([4.0, 1, 1, 1]))
    write_grids(tmp_path / "grid.json", original, network)
    structure = np.array([1.0, 0.9, 0.3, 0.3], np.float32).reshape(1, 1, 1, 4)
    classes = restore_classes([np.concatenate([1 - structure, structure])], tmp_path / "grid.json").array
    # 0.9 at 4 mm, 0.3 at 8 mm: 0.6 at 6 mm, 0.45 at 7 mm
    assert classes.ravel().tolist() == [1] * 7 + [0] * 6


def test_beyond_the_network_grid_is_background(tmp_path):
    original, network = Grid((6, 1, 1), np.eye(4)), Grid((2, 1, 1), np.eye(4))
    write_grids(tmp_path / "grid.json", original, network)
    structure = np.ones((1, 1, 1, 2), np.float32)
    classes = restore_classes([np.concatenate([1 - structure, structure])], tmp_path / "grid.json").array
    assert classes.ravel().tolist() == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", STORED)
def test_stored_probabilities_are_within_a_step_and_a_half_and_their_argmax_is_the_mask(tmp_path, kind):
    """Of 0.39995 and 0.40005, both 102 steps, the file tells the right one."""
    grid = stored_grid(kind)
    preprocess(tmp_path, grid, boxes(grid))
    rng = np.random.default_rng(0)
    near = 0.4 + rng.choice([-5e-5, 5e-5], size=open_image(tmp_path / "image.nii").shape).astype(np.float32)
    slabs = [part for part in np.array_split(np.stack([near, 0.8 - near, np.full_like(near, 0.2)]), 4, axis=1)]
    with probabilities_file(tmp_path / "kept.nii.gz", grid, 3) as stored:
        classes = restore_classes(slabs, tmp_path / "grid.json", stored).array
    written = nib.load(tmp_path / "kept.nii.gz")
    values = written.get_fdata()
    assert values.shape == (*grid.shape, 3) and written.get_data_dtype() == np.uint8
    np.testing.assert_allclose(written.affine, grid.affine, atol=1e-4)
    assert 0 < np.count_nonzero(classes) < classes.size
    np.testing.assert_array_equal(values.argmax(axis=-1), classes)
    within = values[..., 0] < 0.9  # background alone lies beyond the network grid
    np.testing.assert_allclose(values[within], [[0.4, 0.4, 0.2]] * within.sum(), atol=1.5 / 255)
    assert (values[~within] == (1, 0, 0)).all() or within.all()
    assert {path.name for path in tmp_path.iterdir()} >= {"kept.nii.gz"} and not list(tmp_path.glob(".partial*"))


def test_probabilities_of_another_shape_are_not_restored(tmp_path):
    preprocess(tmp_path, stored_grid("axial"), boxes(stored_grid("axial")))
    with pytest.raises(ValueError, match=r"expected \(20, 80, 80\)"):
        restore_classes([np.zeros((2, 80, 80, 20), np.float32)], tmp_path / "grid.json")


@pytest.mark.parametrize("kind", STORED)
def test_slab_by_slab_gives_the_classes_of_the_whole(tmp_path, kind):
    preprocess(tmp_path, stored_grid(kind), boxes(stored_grid(kind)))
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (20, 80, 80)).astype(np.float32)
    probabilities = np.moveaxis(probabilities, -1, 0)
    whole = restore_classes([probabilities], tmp_path / "grid.json").array
    slabs = np.split(probabilities, [1, 2, 9, 19], axis=1)
    found = restore_classes(iter(slabs), tmp_path / "grid.json").array
    assert set(np.unique(whole)) == {0, 1, 2}
    assert (found != whole).mean() < 1e-4  # two classes equally likely, to rounding
    with pytest.raises(ValueError, match=r"found probabilities of shape \(19, 80, 80\)"):
        restore_classes(slabs[:-1], tmp_path / "grid.json")


def test_linear_resampling_at_half_the_spacing_gives_the_values_between():
    array = np.array([0.0, 4.0, 8.0], np.float32).reshape(3, 1, 1)
    half = np.diag([0.5, 1, 1, 1])
    assert resample(array, np.eye(4), half, (5, 1, 1), "linear").ravel().tolist() == [0, 2, 4, 6, 8]


def test_reading_network_volumes_loads_neither_simpleitk_nor_torch():
    modules = ["data.geometry", "data.grid", "data.volume", "data.network_volume", "data.labels"]
    modules += ["preprocessing.restore", "preprocessing.slices", "preprocessing.intensity"]
    code = "import sys, " + ", ".join(f"dar_uda.{module}" for module in modules)
    code += "; print({'SimpleITK', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
