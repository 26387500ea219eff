import numpy as np
import pytest

from dar_uda.data.grid import Grid, read_grids
from dar_uda.data.network_volume import open_image
from dar_uda.data.volume import write_mask
from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.preprocessing.restore import restore_classes
from dar_uda.preprocessing.settings import Preprocessing

SHAPE = (20, 16, 12)
GRID = Grid(SHAPE, np.diag([-1.0, -1.0, 5.0, 1.0]))
INTENSITY = {"percentile": 100}


@pytest.fixture
def case(tmp_path):
    """A scan whose slice k has the value k + 1, labeled in slices 4 to 6."""
    values = np.broadcast_to(np.arange(1, 13, dtype=np.uint8), SHAPE).copy()
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:9, 5:9, 4:7] = 3
    write_mask(tmp_path / "scan.nii.gz", values, GRID)
    write_mask(tmp_path / "label.nii.gz", labels, GRID)
    return tmp_path


def preprocess(case, label=None, double_depth=False):
    files = case / "scan.nii.gz", case / "image.nii", case / "grid.json"
    settings = Preprocessing((1.0, 1.0, 5.0), 64, INTENSITY, values=[[3]], double_depth=double_depth)
    preprocess_image("c1", *files, settings, label=label)
    return open_image(case / "image.nii")[:, 32, 32] / 65535


def test_slices_are_cropped_to_the_labeled_ones_and_two_on_either_side(case):
    """Slices 2 to 8 hold 3 to 9: the least becomes 0 and the highest 1."""
    found = preprocess(case, label=case / "label.nii.gz")
    np.testing.assert_allclose(found, np.arange(7) / 6, atol=1e-3)


def test_masks_of_a_cropped_scan_come_back_to_its_slices(case):
    preprocess(case, label=case / "label.nii.gz")
    probabilities = np.zeros((2, 7, 64, 64), np.float32)
    probabilities[0], probabilities[1, 1] = 0.4, 1  # class 1 in the second slice kept
    restored = restore_classes([probabilities], case / "grid.json")
    assert restored.array.shape == SHAPE
    assert np.flatnonzero(restored.array.any(axis=(0, 1))).tolist() == [3]


def test_twice_as_many_slices_whatever_their_distance(case):
    found = preprocess(case, double_depth=True)
    assert len(found) == 24
    _, network = read_grids(case / "grid.json")
    assert network.affine[2, 2] == 2.5


def test_a_label_map_without_structures_is_refused(case):
    write_mask(case / "label.nii.gz", np.zeros(SHAPE, np.uint8), GRID)
    with pytest.raises(ValueError, match="Case c1 .*holds none of the task's structures"):
        preprocess(case, label=case / "label.nii.gz")
