import numpy as np

from dar_uda.data.network_volume import write_label
from dar_uda.segmentation.components import keep_largest, single_structures


def test_only_the_largest_piece_of_the_named_classes_stays():
    classes = np.array([[[1, 0, 1, 1, 0, 2, 0, 2, 2]]], np.uint8)
    assert keep_largest(classes, [1])[0, 0].tolist() == [0, 0, 1, 1, 0, 2, 0, 2, 2]
    assert keep_largest(classes, [1, 2])[0, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 2, 2]
    assert keep_largest(classes, [])[0, 0].tolist() == classes[0, 0].tolist()


def test_voxels_that_share_a_corner_are_one_piece():
    classes = np.zeros((2, 2, 2), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 1] = 1
    assert keep_largest(classes, [1]).tolist() == classes.tolist()


def test_a_structure_is_single_where_every_label_map_has_it_in_one_piece(tmp_path):
    whole = np.zeros((1, 20, 20), np.uint8)
    whole[0, 2:17, 2:12] = 1
    whole[0, 2:4, 15:19] = 2
    parted, speckled = whole.copy(), whole.copy()
    parted[0, 8, 15] = 2
    speckled[0, 18, 18] = 1
    for name, label in {"whole": whole, "parted": parted, "speckled": speckled}.items():
        write_label(tmp_path / f"{name}.nii", label, np.eye(4))
    assert single_structures([tmp_path / "whole.nii"], 3) == [1, 2], "class 3 is in no label map"
    assert single_structures([tmp_path / "whole.nii", tmp_path / "parted.nii"], 3) == [1], "2 is 8 voxels and 1"
    assert single_structures([tmp_path / "speckled.nii"], 2) == [1, 2], "1 voxel of 151 is less than 1 %"
