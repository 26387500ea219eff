import numpy as np
from scipy.spatial.transform import Rotation

from dar_uda.data.grid import Grid, middle_of

TILT = Rotation.from_euler("xyz", [25, -35, 15], degrees=True).as_matrix() * (2, 3, 5)


def test_the_middle_of_an_even_side_lies_between_two_voxels():
    assert middle_of((4, 5, 1)).tolist() == [1.5, 2, 0]


def test_a_grid_about_a_place_begins_half_its_extent_before_it():
    """Of four voxels of 2 mm the first lies 3 mm before the center, of five of 3 mm 6 mm, of one 0 mm."""
    grid = Grid.about(np.array([10.0, 20.0, 30.0]), np.diag([2.0, 3.0, 5.0]), (4, 5, 1))
    assert grid.affine.tolist() == [[2, 0, 0, 7], [0, 3, 0, 14], [0, 0, 5, 30], [0, 0, 0, 1]]
    assert grid.shape == (4, 5, 1) and grid.center.tolist() == [10, 20, 30]


def test_the_center_of_an_oblique_grid_is_the_mean_of_its_voxels():
    grid = Grid.about(np.array([-7.0, 40.0, 12.5]), TILT, (4, 3, 2))
    places = [grid.place_of(index) for index in np.ndindex(grid.shape)]
    np.testing.assert_allclose(np.mean(places, axis=0), [-7, 40, 12.5])
    np.testing.assert_allclose(grid.center, [-7, 40, 12.5])
    np.testing.assert_allclose(grid.place_of((2, 1, 1)) - grid.place_of((1, 1, 1)), TILT[:, 0])


def test_the_voxels_of_a_part_lie_where_they_lie_in_the_whole():
    grid = Grid.about(np.array([1.0, 2.0, 3.0]), TILT, (4, 5, 6))
    part = grid.part(axis=1, first=2, count=2)
    assert part.shape == (4, 2, 6)
    for index in np.ndindex(part.shape):
        np.testing.assert_allclose(part.place_of(index), grid.place_of(np.array(index) + (0, 2, 0)))
