"""Generated scans before and after a fill outside the patient and a thousandth of bad voxels: the others stay."""

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from dar_uda.data.grid import read_grids
from dar_uda.data.network_volume import LEVELS, open_image
from dar_uda.preprocessing.preprocess import preprocess_image
from dar_uda.preprocessing.resample import resample
from dar_uda.preprocessing.settings import Preprocessing

BOUND = 0.025
STORED = ("int16", "uint8", "uint16", "float32", "negative", "offset", "zscore")
FILLED = ("round", "outside", "slices", "none")
VALUES = (-32768, -2000, -1024, 0, 4095, 65535, 1e9, "inside", "just below", "just above", "above")
OUTLIERS = ("none", "one", "low", "high", "inside", "mixed", "cluster inside", "cluster high", "cluster low")


def ellipse(shape, center, radii):
    _, rows, columns = np.ogrid[tuple(map(slice, shape))]
    return ((rows - center[0]) / radii[0]) ** 2 + ((columns - center[1]) / radii[1]) ** 2 < 1


def patient(rng, stored):
    """Return values (D, H, W) of a body with organs in Rician noise, as a file may store them, and where it lies."""
    depth, height, width = shape = tuple(rng.integers((10, 48, 48), (18, 68, 68)))
    body = np.zeros(shape, bool)
    middle = np.array([height, width]) / 2 + rng.uniform(-2, 2, 2)
    body[rng.integers(1, 3) : -1] = ellipse(shape, middle, np.array([height, width]) * rng.uniform(0.32, 0.42, 2))
    signal = body * rng.uniform(0.2, 0.5)
    for _ in range(rng.integers(4, 9)):
        first = rng.integers(0, depth - 3)
        organ = ellipse(shape, middle + rng.uniform(-10, 10, 2), rng.uniform(3, 10, 2)) & body
        signal[organ & (np.arange(depth)[:, None, None] >= first)] = rng.uniform(0.1, 1.2)
    bias = np.exp(rng.uniform(0, 6) * gaussian_filter(rng.standard_normal(shape), (4, 12, 12)))
    real, imaginary = rng.uniform(0.01, 0.04) * rng.standard_normal((2, *shape))
    values = np.hypot(gaussian_filter(signal, (0.3, 0.7, 0.7)) * bias + real, imaginary) ** rng.uniform(0.8, 1.4)
    values *= rng.uniform(200, 2000)
    whole = np.rint(values)
    return body, {
        "int16": whole,
        "uint16": whole,
        "uint8": np.rint(values / values.max() * 255),
        "float32": values,
        "negative": whole - 700,
        "offset": whole + whole.max(),
        "zscore": (values - values.mean()) / values.std(),
    }[stored].astype(np.float32)


def spoilt(rng, values, body, filled, value, outliers):
    """Return the values with a fill where there is no body, and with a thousandth of bad voxels."""
    spoilt, low, high = values.copy(), float(values.min()), float(values.max())
    span = high - low
    places = {
        "inside": low + 0.6 * span,
        "just below": low - 1,
        "just above": high + 0.6 * span,
        "above": high + 3 * span,
    }
    middle = (np.array(values.shape[1:]) - 1) / 2
    region = {
        "round": ~ellipse(values.shape, middle, middle * rng.uniform(1.0, 1.1)) & np.ones(values.shape, bool),
        "outside": ~binary_dilation(body, np.ones((1, 3, 3)), iterations=2),
        "slices": ~body.any(axis=(1, 2), keepdims=True) & np.ones(values.shape, bool),
        "none": np.zeros(values.shape, bool),
    }[filled] & ~body
    spoilt[region] = places.get(value, value)
    count = 1 if outliers == "one" else values.size // 1000
    if "cluster" in outliers:
        center = rng.choice(np.argwhere(body))
        apart = np.indices(values.shape) - center[:, None, None, None]
        bad = np.argsort((apart**2).sum(axis=0), axis=None)[:count]
    else:
        bad = rng.choice(values.size, 0 if outliers == "none" else count, replace=False)
    spoilt.ravel()[bad] = {
        "none": 0,
        "one": rng.choice([-32768, 65535, 1e9, low, high]),
        "low": low - span * rng.uniform(0, 50),
        "high": high + span * rng.uniform(0, 50),
        "inside": rng.uniform(low, high, len(bad)),
        "mixed": rng.choice([-32768, 0, high, 65535, 1e9], len(bad)),
        "cluster inside": rng.choice([low, high, (low + high) / 2]) + rng.uniform(-0.02, 0.02, len(bad)) * span,
        "cluster high": high + span * rng.uniform(0, 3),
        "cluster low": low - span * rng.uniform(0, 3),
    }[outliers]
    return spoilt


def on_grid(folder, values, spacing, size, intensity):
    """Return intensities on the network grid, and the two grids."""
    files = folder / "scan.nii", folder / "image.nii", folder / "grid.json"
    nib.save(nib.Nifti1Image(values.T, np.diag([-1.5, -1.5, 5, 1])), files[0])
    preprocess_image("c1", *files, Preprocessing(spacing, size, intensity))
    return np.array(open_image(files[1])) / LEVELS, *read_grids(files[2])


def moved_most(folder, values, changed, spacing, size, intensity):
    """Return how far any voxel on the network grid moves that no changed voxel is interpolated into."""
    before, original, network = on_grid(folder, values, spacing, size, intensity)
    after = on_grid(folder, changed, spacing, size, intensity)[0]
    touched = (changed != values).T.astype(np.float32)
    reached = resample(touched, original.affine, network.affine, network.shape, "linear").T > 0
    return float(np.abs(after - before)[~reached].max())


@pytest.mark.parametrize("stored", STORED)
def test_no_fill_and_no_thousandth_of_bad_voxels_moves_another_voxel(tmp_path, stored):
    """Where air is not at 0, some of it must be left: what replaces all of it takes the level of air away."""
    rng = np.random.default_rng([25, STORED.index(stored)])
    shifted = stored in ("negative", "offset", "zscore")
    for number in range(40):
        body, values = patient(rng, stored)
        filled = FILLED[number % 4] if not (shifted and number % 4 == 1) else "round"
        value, outliers = VALUES[number % len(VALUES)], OUTLIERS[number % len(OUTLIERS)]
        changed = spoilt(rng, values, body, filled, value, outliers)
        spacing, size = (*[float(rng.uniform(1.4, 2.2))] * 2, float(rng.choice([4, 6]))), int(rng.choice([40, 48]))
        found = moved_most(tmp_path, values, changed, spacing, size, {"percentile": float(rng.choice([99, 99.5]))})
        assert found <= BOUND, f"sibling {number}: {filled} of {value}, {outliers}"


@pytest.mark.parametrize("value", [-32768, -3024, -1024, 0, 40, 3000, 63536])
def test_a_fill_of_any_value_is_as_dark_as_air_in_a_ct_and_moves_no_other_voxel(tmp_path, value):
    rng = np.random.default_rng(1)
    body, values = patient(rng, "int16")
    hounsfield = np.where(body, 40 + values / values.max() * 100, -1000) + rng.normal(0, 10, values.shape)
    hounsfield = hounsfield.astype(np.float32)
    window, grid = {"window": [-350, 350]}, ((1.5, 1.5, 5.0), 64)
    changed = spoilt(rng, hounsfield, body, "outside", value, "mixed")
    assert moved_most(tmp_path, hounsfield, changed, *grid, window) == 0
    rows, columns = (np.linspace(-1, 1, size) ** 2 for size in values.shape[1:])
    outside = np.broadcast_to(rows[:, None] + columns > 1.1, values.shape)
    filled = np.where(outside, np.float32(value), hounsfield)
    network, original, there = on_grid(tmp_path, filled, *grid, window)
    steps = original.affine, there.affine, there.shape
    assert (network[resample(outside.T.astype(np.float32), *steps, "linear").T == 1] == 0).all()
