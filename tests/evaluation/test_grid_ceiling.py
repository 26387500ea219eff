import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dar_uda.data.grid import Grid, write_grids
from dar_uda.evaluation.grid_ceiling import measure_grid_ceiling, read_grid_ceiling, slice_spacings
from dar_uda.preprocessing.preprocess import preprocess_label

VALUES = [[5], [7, 8], [9]]
NAMES = ["liver", "spleen", "kidney"]
# Class of each of the six slices, 1 mm apart. The network grid has two, in the places of the second and of the fifth.
CASES = {"a": [5, 5, 5, 5, 0, 7], "b": [5, 5, 5, 7, 8, 7]}


@pytest.fixture(params=["slices last", "slices first, from top to bottom"])
def measured(request, tmp_path):
    """Measure the two cases, each of 6 x 4 x 4 voxels in this order of axes."""
    network = Grid((4, 4, 2), np.diag([1.0, 1, 3, 1]) + np.array([0, 0, 1, 0])[:, None] * [0, 0, 0, 1])
    files = {name: [] for name in ("images", "labels", "grids", "network_labels")}
    for case, classes in CASES.items():
        array, affine = np.broadcast_to(np.array(classes, np.uint8), (4, 4, 6)), np.eye(4)
        if request.param != "slices last":
            array = np.moveaxis(array, 2, 0)[::-1]
            affine = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 5], [0, 0, 0, 1.0]])
        label, grid, network_label = (tmp_path / f"{case}{end}" for end in (".nii.gz", ".json", "-network.nii"))
        nib.save(nib.Nifti1Image(array, affine), label)
        write_grids(grid, Grid(array.shape, affine), network)
        preprocess_label(case, label, label, grid, network_label, VALUES)
        for name, path in zip(files, (label, label, grid, network_label), strict=True):
            files[name].append(path)
    measure_grid_ceiling(list(CASES), **files, table=tmp_path / "ct.tsv", structures=NAMES, values=VALUES)
    return tmp_path / "ct.tsv"


def test_the_ceiling_is_the_mean_dice_of_labels_there_and_back_worked_out_by_hand(measured):
    table = pd.read_csv(measured, sep="\t")
    assert list(table) == ["structure", "dice"] and list(table["structure"]) == NAMES
    # a: of four slices of liver three come back, 2 * 3 / (4 + 3); its slice of spleen is lost. b: all come back.
    assert table["dice"].tolist() == pytest.approx([(6 / 7 + 1) / 2, (0 + 1) / 2, np.nan], abs=1e-6, nan_ok=True)
    found = read_grid_ceiling(measured)
    assert list(found.index) == NAMES and found.isna().tolist() == [False, False, True] and found["spleen"] == 0.5


def test_slice_spacings_are_medians_along_the_depth_of_the_network(tmp_path):
    for case, (scan, network) in {"a": (5, 8), "b": (6, 8), "c": (12, 12)}.items():
        flipped = np.array([[0, 1.5, 0, 0], [0, 0, 1.5, 0], [-scan, 0, 0, 40], [0, 0, 0, 1]])
        grid = Grid((8, 8, 4), np.diag([2.0, 2.0, network, 1]))
        write_grids(tmp_path / f"{case}.json", Grid((9, 10, 11), flipped), grid)
    assert slice_spacings([tmp_path / f"{case}.json" for case in "abc"]) == pytest.approx((6, 8))
