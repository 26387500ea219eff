"""The GPU's way from probabilities to classes, here on a CPU, against SimpleITK's."""

import numpy as np
import pytest
import torch

from dar_uda.data.grid import Grid, write_grids
from dar_uda.preprocessing import restore
from dar_uda.preprocessing.restore import restore_classes
from dar_uda.preprocessing.restore_on_gpu import _interpolated
from dar_uda.segmentation import sliding_window
from dar_uda.segmentation.tta import likeliest, predict_transformed

TILTED = np.array(
    [
        [0.913, -0.287, 0.1141, -4.0173],
        [0.301, 0.8131, 0.2093, -9.0411],
        [-0.1117, -0.2131, 2.1013, 3.0719],
        [0, 0, 0, 1],
    ]
)
GRIDS = {
    "same": ((20, 18, 9), np.diag([1.0, 1, 3, 1])),
    "finer and larger": ((50, 40, 30), np.array([[0.5, 0, 0, -2.2], [0, 0.6, 0, -3.1], [0, 0, 1.1, -4], [0, 0, 0, 1]])),
    "coarser": ((9, 8, 4), np.diag([2.3, 2.1, 7.0, 1])),
    "coronal": ((20, 9, 18), np.array([[-1.0, 0, 0, 19], [0, 0, 1, 0], [0, -3, 0, 24], [0, 0, 0, 1]])),
    "oblique": ((22, 30, 12), TILTED),
}


@pytest.fixture(params=GRIDS)
def case(request, tmp_path):
    """Grids, and in slabs the probabilities of three classes on a network grid of 1 x 1 x 3 mm."""
    shape, affine = GRIDS[request.param]
    write_grids(tmp_path / "grid.json", Grid(shape, affine), Grid((20, 18, 9), np.diag([1.0, 1, 3, 1])))
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (9, 18, 20)).astype(np.float32)
    slabs = np.split(np.moveaxis(probabilities, -1, 0), [1, 4, 8], axis=1)
    return tmp_path / "grid.json", slabs, (*shape, 3)


@pytest.mark.parametrize("voxels", [2**22, 700])
def test_classes_and_probabilities_are_those_of_a_cpu(case, monkeypatch, voxels):
    grid, slabs, shape = case
    expected, kept = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    classes = restore_classes(slabs, grid, expected).array
    monkeypatch.setattr(restore, "_on_gpu", lambda _: True)
    monkeypatch.setattr("dar_uda.preprocessing.restore_on_gpu.VOXELS", voxels)
    found = restore_classes(map(torch.from_numpy, slabs), grid, kept).array
    assert len(np.unique(classes)) == 3
    assert (found != classes).mean() < 1e-3  # rounding decides between equal classes and on the outer face
    assert (np.abs(kept.astype(int) - expected) > 1).mean() < 1e-3
    assert np.array_equal(kept.argmax(axis=-1), found)


def test_slabs_of_a_network_on_a_cpu_are_restored_there(case):
    grid, slabs, _ = case
    found = restore_classes(map(torch.from_numpy, slabs), grid).array
    assert np.array_equal(found, restore_classes(slabs, grid).array)


@pytest.mark.parametrize("weighting", ["constant", "gaussian"])
def test_from_window_to_class_all_lies_on_the_device(weighting):
    """On the meta device, which like a GPU refuses tensors of a CPU."""
    meta, image = torch.device("meta"), np.zeros((10, 40, 50), np.uint16)
    network = torch.nn.Conv3d(1, 3, 3, padding=1).to(meta)
    whole = (4, 16, 16), 0.5, weighting, 3, meta
    for slabs in predict_transformed(image, lambda view: sliding_window.predict_slabs(network, view, *whole), True):
        mean = sum(slabs[1:], start=slabs[0]) / len(slabs)
        moved = _interpolated(mean, np.diag([0.5, 0.5, 0.5, 1]), [np.arange(7), np.arange(8), np.arange(9)])
        assert mean.is_meta and likeliest(mean).is_meta
        assert moved.is_meta and moved.shape == (3, 7, 8, 9) and moved.dtype == torch.float32
