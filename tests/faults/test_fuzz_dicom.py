"""Thousands of broken DICOM series: each is refused by name, or the damage lies in one slice's own values."""

import shutil

import numpy as np

from dar_uda.data.volume import read_volume
from tests.data.dicom_files import write_series
from tests.faults.limited import accepted


def read(folder):
    volume = read_volume(folder)
    return volume.array, volume.grid.affine


def mutate(folder, names, rng):
    """Damage one file of a series; return its index along the slices, None where a whole file is gone or doubled."""
    victim = int(rng.integers(len(names)))
    path = folder / names[victim]
    content = bytearray(path.read_bytes())
    kind = rng.random()
    if kind < 0.05:
        path.unlink()
        return None
    if kind < 0.1:
        (folder / "twice.dcm").write_bytes(content)
        return None
    if kind < 0.2:
        content = content[: rng.integers(len(content))]
    for _ in range(rng.integers(1, 6)):
        if content:
            content[rng.integers(len(content))] = rng.integers(256)
    path.write_bytes(content)
    return victim


def test_a_broken_series_is_refused_by_name_or_its_damage_is_one_slices_values(tmp_path, corpus_size):
    rng = np.random.default_rng(20261123)
    whole = tmp_path / "whole"
    names = [path.name for path in write_series(whole)]
    values, affine = read(whole)
    folders, victims = [], []
    for number in range(corpus_size):
        folders.append(tmp_path / f"series{number}")
        shutil.copytree(whole, folders[-1])
        victims.append(mutate(folders[-1], names, rng))
    for index, result in accepted("DICOM series", read, folders):
        folder, victim = folders[index], victims[index]
        if victim is None:
            assert result[0].shape[2] == 4  # an end slice is gone: no file can tell
            continue
        others = [k for k in range(len(names)) if k != victim]
        assert result[0].shape == values.shape, folder
        np.testing.assert_array_equal(result[0][..., others], values[..., others], err_msg=str(folder))
        np.testing.assert_allclose(result[1], affine, atol=0.05, err_msg=str(folder))
