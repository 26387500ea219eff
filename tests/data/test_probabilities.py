"""Files of probabilities: a volume per class, read one class at a time."""

import nibabel as nib
import numpy as np
import pytest

from dar_uda.data.grid import Grid
from dar_uda.data.probabilities import open_probabilities, probabilities_file

GRID = Grid((2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))
STEPS = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)


def write(path):
    with probabilities_file(path, GRID, 3) as stored:
        stored[...] = STEPS
    return path


def test_steps_are_read_class_by_class_on_their_grid(tmp_path):
    steps, grid = open_probabilities(write(tmp_path / "a.nii.gz"))
    assert steps.shape == (2, 3, 4, 3) and grid.shape == GRID.shape
    np.testing.assert_array_equal(grid.affine, GRID.affine)
    for k in (1, 2, 0):
        assert steps[..., k].dtype == np.uint8
        np.testing.assert_array_equal(steps[..., k], STEPS[..., k])


def test_a_program_that_reads_nifti_finds_probabilities_from_0_to_1(tmp_path):
    values = nib.load(write(tmp_path / "a.nii.gz")).get_fdata()
    np.testing.assert_allclose(values, STEPS / 255, atol=1e-6)


def test_the_same_probabilities_are_the_same_bytes_at_any_time(tmp_path, monkeypatch):
    first = write(tmp_path / "a.nii.gz").read_bytes()
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert write(tmp_path / "b.nii.gz").read_bytes() == first
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.nii.gz", "b.nii.gz"]


def test_nothing_is_left_where_filling_fails(tmp_path):
    with pytest.raises(RuntimeError), probabilities_file(tmp_path / "a.nii.gz", GRID, 3):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
