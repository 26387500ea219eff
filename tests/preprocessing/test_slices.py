import numpy as np
import pandas as pd
import pytest

from dar_uda.data.network_volume import write_image
from dar_uda.preprocessing.slices import extract_slices


def test_all_slices_of_all_cases_are_stacked_in_order_beside_one_table(tmp_path):
    paths = [tmp_path / "a.nii", tmp_path / "b.nii"]
    for path, depth, start in zip(paths, (2, 3), (0, 2), strict=True):
        planes = (start + np.arange(depth)) * 100 / 65535
        write_image(path, np.broadcast_to(planes[:, None, None], (depth, 4, 5)), np.eye(4))
    extract_slices(paths, ["a", "b"], tmp_path / "ct.npy", tmp_path / "ct.tsv")
    stack = np.load(tmp_path / "ct.npy", mmap_mode="r")
    assert (stack.dtype, stack.shape) == (np.uint16, (5, 4, 5))
    assert stack[:, 1, 2].tolist() == [0, 100, 200, 300, 400]
    table = pd.read_csv(tmp_path / "ct.tsv", sep="\t")
    assert table.columns.tolist() == ["case", "slice", "depth"]
    assert table.values.tolist() == [["a", 0, 2], ["a", 1, 2], ["b", 0, 3], ["b", 1, 3], ["b", 2, 3]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii", "b.nii", "ct.npy", "ct.tsv"]


def test_volumes_of_another_slice_size_and_no_volumes_are_refused(tmp_path):
    write_image(tmp_path / "a.nii", np.zeros((2, 4, 5)), np.eye(4))
    write_image(tmp_path / "b.nii", np.zeros((2, 4, 6)), np.eye(4))
    with pytest.raises(ValueError, match=r"Case b: slices of \(4, 6\) pixels, expected \(4, 5\) as in a"):
        extract_slices([tmp_path / "a.nii", tmp_path / "b.nii"], ["a", "b"], tmp_path / "s.npy", tmp_path / "s.tsv")
    with pytest.raises(ValueError, match="found 0 volumes"):
        extract_slices([], [], tmp_path / "s.npy", tmp_path / "s.tsv")
