"""Thousands of broken MetaImage and NRRD files: each is refused by name, or read with all of its voxels."""

import numpy as np
import SimpleITK as sitk

from dar_uda.data.volume import read_volume
from tests.faults.limited import accepted

VALUES = np.random.default_rng(0).integers(0, 900, (6, 7, 8)).astype(np.int16)


def read(path):
    volume = read_volume(path)
    return volume.array, volume.grid.affine


def base_file(folder, ending, compressed):
    """Return the bytes of a good file, and where its voxels begin."""
    image = sitk.GetImageFromArray(VALUES)
    image.SetSpacing((0.8, 0.9, 3))
    path = folder / f"base{ending}"
    sitk.WriteImage(image, str(path), compressed)
    content = path.read_bytes()
    mark = b"ElementDataFile = LOCAL\n" if ending == ".mha" else b"\n\n"
    return content, content.index(mark) + len(mark)


def mutated(content, voxels, rng):
    """Return a damaged file, and whether the damage lies in its voxels alone."""
    content, in_voxels = bytearray(content), rng.random() < 0.5
    low, high = (voxels, len(content)) if in_voxels else (0, voxels)
    for _ in range(rng.integers(1, 4)):
        where = int(rng.integers(low, high))
        content[where] = rng.integers(32, 127) if where < voxels else rng.integers(256)
    if rng.random() < 0.15:
        content = content[: rng.integers(voxels, len(content))]
    return bytes(content), in_voxels


def test_a_broken_file_is_refused_by_name_or_read_with_all_of_its_voxels(tmp_path, corpus_size):
    rng = np.random.default_rng(20261124)
    bases = [(end, packed, *base_file(tmp_path, end, packed)) for end in (".mha", ".nrrd") for packed in (False, True)]
    paths, told = [], []
    for number in range(corpus_size):
        ending, packed, content, voxels = bases[number % len(bases)]
        damaged, in_voxels = mutated(content, voxels, rng)
        paths.append(tmp_path / f"{number}{ending}")
        paths[-1].write_bytes(damaged)
        told.append((packed, in_voxels, len(damaged) == len(content)))
    for index, (array, affine) in accepted("MetaImage and NRRD files", read, paths):
        packed, in_voxels, whole = told[index]
        assert np.isfinite(affine).all() and whole, paths[index]
        if in_voxels:
            assert array.shape == VALUES.T.shape, paths[index]
            assert (array != VALUES.T).sum() <= (0 if packed else 6), paths[index]
