"""Nearest distances against all pairs of voxels."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dar_uda.evaluation import nearest
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


@pytest.mark.parametrize("rows", [1, 5, 256])
@pytest.mark.parametrize("matrix", GRIDS.values(), ids=GRIDS.keys())
def test_the_nearest_is_the_nearest_of_all_however_many_rows_are_looked_at(monkeypatch, matrix, rows):
    monkeypatch.setattr(nearest, "ROWS", rows)
    nearest._nearest_rows.cache_clear()
    rng = np.random.default_rng(1)
    for density in (0.004, 0.05, 0.5):
        marked, others = rng.random((2, 9, 12, 10)) < density
        others[4, 0, 9] = True
        np.testing.assert_allclose(
            nearest_distances(marked, others, matrix), all_pairs(marked, others, matrix), rtol=1e-12, atol=1e-12
        )
    nearest._nearest_rows.cache_clear()


def test_flat_voxels_are_searched_beyond_the_reach_of_the_rows():
    """Along an axis of 0.01 mm, REACH voxels are half a millimeter: what is farther is left to the tree."""
    marked, others = np.zeros((2, 3, 200, 3), bool)
    marked[0, 0, 0] = others[0, 150, 0] = others[2, 0, 0] = True
    assert nearest_distances(marked, others, np.diag([1.0, 0.01, 5.0])) == pytest.approx([1.5])
    assert nearest_distances(marked, others, np.diag([1.0, 0.01, 0.001])) == pytest.approx([1.5])


def test_rows_of_any_length_are_measured():
    marked, others = np.zeros((2, 1, 1, 20000), bool)
    marked[..., 0] = others[..., 19999] = True
    assert nearest_distances(marked, others, np.eye(3)) == pytest.approx([19999])
