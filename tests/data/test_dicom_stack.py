"""Positions are text: what its digits explain is one even stack, what they do not is refused."""

from pathlib import Path

import numpy as np
import pytest

from dar_uda.data.dicom.stack import even_stack, rounding_of

NORMAL = np.array([0.0, -np.sin(0.35), np.cos(0.35)])
"""Of slices that are tilted by 20 degrees."""


def stack_of(texts, normal=(0, 0, 1)):
    """Return start and step of slices whose positions are texts, (slices, 3) or those of the third axis alone."""
    rows = [text if isinstance(text, (list, tuple)) else ("0", "0", text) for text in texts]
    rounding = np.array([rounding_of(axis) for axis in zip(*rows, strict=True)]).T
    names = [f"{k}.dcm" for k in range(len(rows))]
    return even_stack(Path("series"), names, np.array(rows, dtype=float), rounding, np.array(normal, dtype=float))


def written(step, count, style, without=None):
    return [format(step * k, style) for k in range(count) if k != without]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["0.0", "0.6", "1.2"], [0.05, 0.05, 0.05]),
        (["12.5", "0.6", "12"], [0.05, 0.05, 0.05]),  # zeros at the end are not written
        (["0", "5", "10"], [0.5, 0.5, 0.5]),
        (["9.75", "11", "-123"], [0.005, 0.05, 0.5]),  # three digits: 9.75, 11.0, 123
        (["1.5e1", "-300", "0"], [0.5, 0.5, 0.5]),
        (["6.25E-01", "1.25E+00"], [0.0005, 0.005]),
        (["+.5", "1."], [0.05, 0.5]),
    ],
)
def test_a_number_may_be_off_by_half_a_unit_of_its_last_digit(texts, expected):
    assert rounding_of(texts) == pytest.approx(expected[: len(texts)])


@pytest.mark.parametrize(
    ("step", "style"),
    [
        *((0.625, ".1f"), (0.625, ".2E"), (1.25, ".3g"), (2.5, ".0f"), (0.3, ".1f"), (3.3, ".0f"), (0.0315, ".3f")),
        *((2.5, ".6f"), (0.015, ".4f"), (5.0, "g")),
    ],
)
def test_slices_are_read_as_even_where_the_digits_explain_what_is_uneven(step, style):
    count = 40
    texts = written(step, count, style)
    start, found = stack_of(texts)
    off = np.abs(start[2] + found[2] * np.arange(count) - np.array(texts, dtype=float))
    assert (off <= 1.02 * np.array(rounding_of(texts))).all()
    assert found[2] == pytest.approx(step, rel=0.03)
    assert (start[:2] == 0).all() and (found[:2] == 0).all()


@pytest.mark.parametrize("style", [".1f", ".2f", ".6f"])
def test_rounded_positions_of_tilted_slices_are_read(style):
    places = np.array([10.3, -20.7, 5]) + 0.8 * np.arange(40)[:, None] * NORMAL
    start, step = stack_of([[format(value, style) for value in place] for place in places], NORMAL)
    np.testing.assert_allclose(step, 0.8 * NORMAL, atol=0.1 / 39)
    np.testing.assert_allclose(start, places[0], atol=0.1)


@pytest.mark.parametrize(
    ("step", "style"), [(0.625, ".1f"), (2.5, ".0f"), (2.5, ".6f"), (0.625, ".3f"), (5.0, ".0f"), (0.3, ".1f")]
)
@pytest.mark.parametrize("count", [5, 12, 40])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.5, 0.99])
def test_a_slice_that_is_missing_is_missed(step, style, count, where):
    without = min(max(1, int(where * count)), count - 2)
    with pytest.raises(ValueError, match=rf"series: found a step of .*{without - 1}.dcm to {without}.dcm.*missing"):
        stack_of(written(step, count, style, without))


def test_positions_too_coarse_to_tell_are_refused_as_that():
    """Whole millimeters for slices of 1.25 mm: a step of 2 may be rounding or a slice too few."""
    with pytest.raises(ValueError, match="positions, rounded to 1 mm, are too coarse for slices so thin"):
        stack_of(written(1.25, 30, ".0f"))
    with pytest.raises(ValueError, match="same position .* 0.0, .* rounded to 1 mm, are too coarse"):
        stack_of(["0", "0", "1", "1", "2", "2", "3"])


@pytest.mark.parametrize("noise", [0, 1e-6, 0.01])
def test_slices_at_one_place_are_refused_up_to_noise(noise):
    rng = np.random.default_rng(0)
    places = np.sort(2.5 * (np.arange(20) // 2) + rng.uniform(-noise, noise, 20))
    with pytest.raises(ValueError, match="same position along the slice normal: .*such as 0.dcm and 1.dcm"):
        stack_of([f"{place:.9f}" for place in places])


def test_noise_in_positions_does_not_count_as_a_gap():
    rng = np.random.default_rng(0)
    start, step = stack_of([f"{2.5 * k + rng.uniform(-0.006, 0.006):.4f}" for k in range(100)])
    assert step[2] == pytest.approx(2.5, abs=2e-4) and start[2] == pytest.approx(0, abs=0.01)


def test_steps_that_change_little_by_little_are_refused_where_they_move_a_slice_off_its_place():
    """150 steps of 2.51 mm, then 150 of 2.49: an even stack puts the middle slice 0.75 mm from where it lies."""
    with pytest.raises(ValueError, match="found a step"):
        stack_of([f"{place:.3f}" for place in np.cumsum([2.51] * 150 + [2.49] * 150)])


def test_100_random_stacks_are_read_whole_and_refused_where_a_slice_is_missing():
    rng = np.random.default_rng(25)
    for _ in range(100):
        digits, count = int(rng.integers(0, 5)), int(rng.integers(6, 60))
        step = 10.0**-digits * rng.uniform(4, 40)  # so that half a unit is less than a quarter of it, tilted or not
        angle = rng.uniform(-0.4, 0.4)
        normal = np.array([0, -np.sin(angle), np.cos(angle)])
        origin = rng.uniform(-300, 300, 3)
        places = origin + step * np.arange(count)[:, None] * normal
        texts = [[f"{value:.{digits}f}" for value in place] for place in places]
        start, found = stack_of(texts, normal)
        fitted = start + np.arange(count)[:, None] * found
        assert np.abs(fitted - places).max() <= 1.1 * 10.0**-digits, (digits, step)
        missing = int(rng.integers(1, count - 1))
        with pytest.raises(ValueError, match="missing"):
            stack_of([text for k, text in enumerate(texts) if k != missing], normal)
