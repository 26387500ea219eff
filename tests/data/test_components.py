import numpy as np

from dar_uda.data.components import component_sizes, keep_largest


def test_only_the_largest_component_of_the_named_classes_stays():
    classes = np.array([[[1, 0, 1, 1, 0, 2, 0, 2, 2]]], np.uint8)
    assert keep_largest(classes, [1])[0, 0].tolist() == [0, 0, 1, 1, 0, 2, 0, 2, 2]
    assert keep_largest(classes, [1, 2])[0, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 2, 2]
    assert keep_largest(classes, [])[0, 0].tolist() == classes[0, 0].tolist()


def test_voxels_that_share_a_corner_are_one_component():
    classes = np.zeros((2, 2, 2), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 1] = 1
    assert keep_largest(classes, [1]).tolist() == classes.tolist()


def test_each_class_has_the_sizes_of_its_components_whatever_lies_beside_them():
    classes = np.array([[[1, 0, 1, 1, 2, 1, 0, 4, 4, 4]]], np.uint8)
    assert [sizes.tolist() for sizes in component_sizes(classes, 4)] == [[1, 2, 1], [1], [], [3]]
    assert [sizes.tolist() for sizes in component_sizes(classes, 2)] == [[1, 2, 1], [1]]
    assert [sizes.tolist() for sizes in component_sizes(np.zeros((1, 2, 2), np.uint8), 1)] == [[]]
