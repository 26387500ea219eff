import numpy as np
import pytest

from dar_uda.data.labels import map_labels


def test_each_list_of_values_becomes_its_place_in_the_order_and_the_rest_background():
    found = map_labels(np.array([0, 1, 2, 3, 6, 63, 64, 500], np.int16), [[6], [63, 64], [1]])
    assert found.tolist() == [0, 3, 0, 0, 1, 2, 2, 0]
    assert found.dtype == np.uint8


def test_labels_stored_as_floats_are_rounded_and_fractions_refused():
    assert map_labels(np.array([0.0, 0.9999999, 2.0], np.float32), [[1], [2]]).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="no whole numbers"):
        map_labels(np.array([0.0, 0.5]), [[1]])
    with pytest.raises(ValueError, match="no whole numbers"):
        map_labels(np.array([0.0, np.nan]), [[1]])


def test_a_value_of_two_classes_is_refused():
    with pytest.raises(ValueError, match="every value once"):
        map_labels(np.zeros(3, np.uint8), [[1, 2], [2]])
