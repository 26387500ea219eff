"""Nearest distances against all pairs of voxels."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dar_uda.evaluation import nearest, separable
from dar_uda.evaluation.nearest import nearest_distances
from tests.evaluation.shapes import TILT

SPACING = np.diag([4.0, 0.7, 1.3])
GRIDS = {
    "orthogonal": SPACING,
    "oblique": Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() @ SPACING,
    "flipped": SPACING[[1, 2, 0]] * (-1, 1, -1),
    "tilted": TILT,
    "sheared": np.array([[1.0, 0.2, 0.1], [0, 1, 0.3], [0, 0, 2]]),
}


def all_pairs(marked, others, matrix):
    apart = np.argwhere(marked)[:, None] - np.argwhere(others)[None]
    return np.linalg.norm(apart @ matrix.T, axis=-1).min(axis=1)


@pytest.fixture
def no_tree(monkeypatch):
    """Few voxels are measured like many."""
    monkeypatch.setattr(nearest, "FEW", 0)


@pytest.mark.parametrize("few", [0, 3000])
@pytest.mark.parametrize("rows", [1, 5, 256])
@pytest.mark.parametrize("matrix", GRIDS.values(), ids=GRIDS.keys())
def test_the_nearest_is_the_nearest_of_all_however_it_is_found(monkeypatch, matrix, rows, few):
    monkeypatch.setattr(nearest, "ROWS", rows)
    monkeypatch.setattr(nearest, "FEW", few)
    nearest._nearest_rows.cache_clear()
    rng = np.random.default_rng(1)
    for density in (0.004, 0.05, 0.5):
        marked, others = rng.random((2, 9, 12, 10)) < density
        others[4, 0, 9] = True
        np.testing.assert_allclose(
            nearest_distances(marked, others, matrix), all_pairs(marked, others, matrix), rtol=1e-12, atol=1e-12
        )
    nearest._nearest_rows.cache_clear()


@pytest.mark.usefixtures("no_tree")
@pytest.mark.parametrize("corner", [(0, 0, 0), (30, 0, 17), (12, 9, 17)])
def test_voxels_far_away_on_all_sides_are_measured(monkeypatch, corner):
    """Voxels all over the volume and others in a corner: the rows leave most to `separable_distances`, no tree."""
    monkeypatch.setattr(nearest, "KDTree", None)
    rng = np.random.default_rng(2)
    marked, others = np.zeros((2, 40, 15, 24), bool)
    marked[...] = rng.random(marked.shape) < 0.1
    others[tuple(slice(start, start + 6) for start in corner)] = rng.random((6, 6, 6)) < 0.3
    for planes, voxels in ((1, 1), (16, 1024)):
        monkeypatch.setattr(separable, "PLANES", planes)
        monkeypatch.setattr(separable, "VOXELS", voxels)
        found = nearest_distances(marked, others, SPACING)
        np.testing.assert_allclose(found, all_pairs(marked, others, SPACING), rtol=1e-12)


@pytest.mark.usefixtures("no_tree")
def test_the_nearest_of_a_small_region_lie_around_it():
    marked, others = np.zeros((2, 20, 30, 30), bool)
    marked[9:11, 14:16, 14:16] = True
    others[...] = np.random.default_rng(4).random(others.shape) < 0.002
    np.testing.assert_allclose(
        nearest_distances(marked, others, SPACING), all_pairs(marked, others, SPACING), rtol=1e-12
    )


@pytest.mark.usefixtures("no_tree")
def test_many_voxels_of_a_tilted_scan_are_searched_in_a_tree():
    marked, others = np.zeros((2, 4, 60, 4), bool)
    marked[:, 0] = others[:, -1] = True
    np.testing.assert_allclose(nearest_distances(marked, others, TILT), all_pairs(marked, others, TILT), rtol=1e-12)


@pytest.mark.usefixtures("no_tree")
def test_flat_voxels_are_searched_beyond_the_reach_of_the_rows():
    """Along an axis of 0.01 mm, REACH voxels are half a millimeter."""
    marked, others = np.zeros((2, 3, 200, 3), bool)
    marked[0, 0, 0] = others[0, 150, 0] = others[2, 0, 0] = True
    assert nearest_distances(marked, others, np.diag([1.0, 0.01, 5.0])) == pytest.approx([1.5])
    assert nearest_distances(marked, others, np.diag([1.0, 0.01, 0.001])) == pytest.approx([1.5])


@pytest.mark.usefixtures("no_tree")
def test_rows_of_any_length_are_measured():
    marked, others = np.zeros((2, 1, 1, 20000), bool)
    marked[..., 0] = others[..., 19999] = True
    assert nearest_distances(marked, others, np.eye(3)) == pytest.approx([19999])
