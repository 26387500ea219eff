"""Thousands of broken DICOM series: each is refused by name, or the damage lies in one slice's stored values."""

import shutil
import warnings

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut

from dar_uda.data.volume import read_volume
from tests.data.dicom_files import write_series
from tests.faults.limited import accepted


def read(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom's cite what is in headers
        volume = read_volume(folder)
    return volume.array, volume.grid.affine


def mutate(folder, names, rng):
    """Damage one file of a series; return what was done to which file: gone, twice, cut or bytes."""
    victim = names[int(rng.integers(len(names)))]
    path = folder / victim
    content = bytearray(path.read_bytes())
    kind = rng.random()
    if kind < 0.05:
        path.unlink()
        return "gone", victim
    if kind < 0.1:
        (folder / "twice.dcm").write_bytes(content)
        return "twice", victim
    if kind < 0.3:
        path.write_bytes(content[: rng.integers(len(content))])
        return "cut", victim
    for _ in range(rng.integers(1, 6)):
        content[rng.integers(len(content))] = rng.integers(256)
    path.write_bytes(content)
    return "bytes", victim


def values_by_pydicom(path):
    """Return the values (columns, rows) that pydicom reads; None where it refuses, or neither masks nor rescales."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        try:
            masked = dataset.BitsStored != dataset.BitsAllocated or dataset.HighBit != dataset.BitsStored - 1
            if masked or not {"RescaleSlope", "RescaleIntercept"} <= set(dataset.dir()):
                return None
            return apply_modality_lut(dataset.pixel_array, dataset).T
        except (AttributeError, TypeError, ValueError, NotImplementedError):
            return None


def test_a_broken_series_is_refused_by_name_or_its_damage_is_one_slices_stored_values(tmp_path, corpus_size):
    rng = np.random.default_rng(20261123)
    whole = tmp_path / "whole"
    names = [path.name for path in write_series(whole)]
    values, affine = read(whole)
    folders, damages = [], []
    for number in range(corpus_size):
        folders.append(tmp_path / f"series{number}")
        shutil.copytree(whole, folders[-1])
        damages.append(mutate(folders[-1], names, rng))
    compared = 0
    for index, result in accepted("DICOM series", read, folders):
        folder, (kind, victim) = folders[index], damages[index]
        assert kind != "cut", f"{folder}/{victim}: pixels that are not there were read"
        if kind == "gone":
            assert victim in (names[0], names[-1]) and result[0].shape[2] == 4  # an end slice: no file can tell
            continue
        slice_ = names.index(victim)
        others = [k for k in range(len(names)) if k != slice_ or kind == "twice"]
        assert result[0].shape == values.shape, folder
        np.testing.assert_array_equal(result[0][..., others], values[..., others], err_msg=str(folder))
        np.testing.assert_allclose(result[1], affine, atol=0.05, err_msg=str(folder))
        stored = values_by_pydicom(folder / victim)
        if stored is not None:
            np.testing.assert_allclose(result[0][..., slice_], stored, rtol=1e-6, err_msg=f"{folder}/{victim}")
            compared += 1
    assert compared > corpus_size / 10
