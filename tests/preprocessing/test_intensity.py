import numpy as np
import pytest

from dar_uda.preprocessing.intensity import to_unit_range


def test_window_maps_its_edges_to_0_and_1_and_clips_beyond():
    found = to_unit_range(np.array([-2000, -350, 0, 175, 350, 3000], np.int16), window=[-350, 350])
    assert found.tolist() == [0, 0, 0.5, 0.75, 1, 1]
    assert found.dtype == np.float32


def test_percentile_is_that_of_the_voxels_above_the_minimum():
    # Shifted: six times 0, then 1 2 3 4 100; the 75th percentile of the five non-zero values is 4.
    array = np.array([-7] * 6 + [-6, -5, -4, -3, 93], np.int16)
    assert to_unit_range(array, percentile=75).tolist() == [0.0] * 6 + [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("scaling", [{"window": [-3, 4]}, {"percentile": 80}])
def test_scaling_leaves_the_input_and_the_places_of_values_alone_in_any_memory_order(scaling):
    array = np.random.default_rng(0).integers(-5, 9, (4, 5, 6)).astype(np.int16)
    expected, before = to_unit_range(array, **scaling), array.copy()
    np.testing.assert_array_equal(to_unit_range(np.asfortranarray(array), **scaling), expected)
    np.testing.assert_array_equal(to_unit_range(array[::-1], **scaling)[::-1], expected)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("arguments", [{"percentile": 99}, {"window": [-1, 1]}])
def test_a_constant_image_is_refused(arguments):
    with pytest.raises(ValueError, match=r"from 0.0 to 0.0 .*empty image"):
        to_unit_range(np.zeros((2, 2, 2)), **arguments)


def test_an_image_outside_its_window_an_empty_window_and_nan_are_refused():
    with pytest.raises(ValueError, match=r"from 0.0 to 200.0 leave nothing between 300.0 and 400.0"):
        to_unit_range(np.array([0, 200]), window=[300, 400])
    with pytest.raises(ValueError, match=r"Window \[5, 5\] is empty"):
        to_unit_range(np.array([0, 200]), window=[5, 5])
    with pytest.raises(ValueError, match="NaN"):
        to_unit_range(np.array([0, np.nan]), window=[0, 1])


@pytest.mark.parametrize("arguments", [{}, {"window": [0, 1], "percentile": 99}])
def test_exactly_one_way_is_given(arguments):
    with pytest.raises(ValueError, match="exactly one"):
        to_unit_range(np.arange(4), **arguments)
