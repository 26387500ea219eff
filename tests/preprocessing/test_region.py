import json

import numpy as np
import pytest

from dar_uda.data.geometry import spacing_of
from dar_uda.data.grid import Grid
from dar_uda.data.volume import write_mask
from dar_uda.preprocessing.network_grid import network_grid
from dar_uda.preprocessing.region import cut_to_region, find_region

SPACING = (1.0, 1.0, 3.0)


def axial(shape, directions=(-1, -1, 1), origin=(10.0, -20.0, 30.0)):
    """Return a grid whose axes run to the left, to posterior and to superior."""
    affine = np.diag([*np.array(SPACING) * directions, 1.0])
    affine[:3, 3] = origin
    return Grid(shape, affine)


def write_case(folder, name, grid, box):
    labels = np.zeros(grid.shape, np.uint8)
    labels[tuple(slice(*edges) for edges in box)] = 7
    write_mask(folder / f"{name}.nii.gz", labels, grid)
    return folder / f"{name}.nii.gz"


def found(tmp_path, files, margin=0.0):
    names = [path.stem for path in files]
    find_region(names, files, files, tmp_path / "region.json", [[7]], margin, None)
    return json.loads((tmp_path / "region.json").read_text())


def test_the_box_is_in_mm_from_the_scans_center_and_has_the_margin(tmp_path):
    """Center at index (19.5, 14.5, 9.5); voxels 30 to 33 of the width reach from 29.5 to 33.5: 10 to 14 mm."""
    path = write_case(tmp_path, "a", axial((40, 30, 20)), [(30, 34), (5, 15), (10, 12)])
    region = found(tmp_path, [path], margin=2.0)
    assert region == {"low": [10 - 2, -10 - 2, 0 - 2], "high": [14 + 2, 0 + 2, 6 + 2]}


def test_a_flipped_file_has_the_same_region_and_two_cases_their_union(tmp_path):
    plain = write_case(tmp_path, "a", axial((40, 30, 20)), [(30, 34), (5, 15), (10, 12)])
    flipped = write_case(tmp_path, "b", axial((40, 30, 20), (1, -1, 1)), [(6, 10), (5, 15), (10, 12)])
    assert found(tmp_path, [plain]) == found(tmp_path, [flipped])
    other = write_case(tmp_path, "c", axial((40, 30, 20)), [(0, 1), (14, 16), (0, 1)])
    assert found(tmp_path, [plain, other]) == {"low": [-20, -10, -30], "high": [14, 1, 6]}


def test_the_grid_is_moved_to_the_region_and_as_deep(tmp_path):
    grid = axial((40, 30, 20))
    path = write_case(tmp_path, "a", grid, [(30, 34), (5, 15), (10, 12)])
    found(tmp_path, [path])
    cut = cut_to_region(network_grid(grid, (0.5, 0.5, None), 64), tmp_path / "region.json")
    assert cut.shape == (64, 64, 2) and spacing_of(cut.affine) == (0.5, 0.5, 3.0)
    center = cut.affine @ [*(np.array(cut.shape) - 1) / 2, 1]
    middle_of_box = grid.affine @ [31.5, 9.5, 10.5, 1]
    np.testing.assert_allclose(center, middle_of_box)


def test_a_region_wider_than_the_square_and_labels_without_structures_are_refused(tmp_path):
    grid = axial((40, 30, 20))
    path = write_case(tmp_path, "a", grid, [(0, 40), (5, 15), (10, 12)])
    found(tmp_path, [path])
    with pytest.raises(ValueError, match=r"\[40.0, 10.0\] mm wide and high, the grid \[16.0, 16.0\].*region_margin"):
        cut_to_region(network_grid(grid, (0.25, 0.25, None), 64), tmp_path / "region.json")
    with pytest.raises(ValueError, match="there is no region"):
        found(tmp_path, [write_case(tmp_path, "empty", grid, [(0, 0)] * 3)])
