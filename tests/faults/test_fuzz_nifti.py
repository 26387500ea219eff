"""Thousands of broken NIfTI files: each is refused by name, or read as the standard says."""

import gzip

import nibabel as nib
import numpy as np

from dar_uda.data.volume import read_volume
from tests.faults.limited import accepted
from tests.faults.nifti_standard import parse

AFFINE = np.array([[-0.8, 1.2, 0, 11.1], [0.6, 1.6, 0, -7.7], [0, 0, 5, 30.3], [0, 0, 0, 1.0]])
EDGES = [0, 1, 2, 3, 4, 8, 127, 128, 255]


def read(path):
    volume = read_volume(path)
    return volume.array, volume.grid.affine


def base_file(rng):
    """Return the bytes of a good file: type, byte order, forms and scaling drawn."""
    kind = rng.choice(["i2", "u1", "f4", "f8", "i8", "u2"])
    header = nib.Nifti1Header(endianness=rng.choice(["<", ">"]))
    image = nib.Nifti1Image((rng.random((5, 4, 3)) * 100).astype(kind), AFFINE, header, dtype=kind)
    image.set_sform(AFFINE, int(rng.integers(0, 3)))
    image.set_qform(AFFINE, int(rng.integers(0, 3)))
    return bytearray(image.to_bytes())


def mutated(rng):
    """Return the bytes of a broken file and its ending."""
    content = base_file(rng)
    for _ in range(rng.integers(1, 5)):
        where = rng.integers(348) if rng.random() < 0.9 else rng.integers(len(content))
        content[where] = rng.choice(EDGES) if rng.random() < 0.5 else rng.integers(256)
    if rng.random() < 0.15:
        content = content[: rng.integers(len(content))]
    if rng.random() < 0.5:
        return bytes(content), ".nii"
    packed = bytearray(gzip.compress(bytes(content), mtime=0))
    if rng.random() < 0.3:
        packed[rng.integers(len(packed))] ^= 1 << rng.integers(8)
    if rng.random() < 0.15:
        packed = packed[: rng.integers(len(packed))]
    return bytes(packed), ".nii.gz"


def test_a_broken_file_is_refused_by_name_or_read_as_the_standard_says(tmp_path, corpus_size):
    rng = np.random.default_rng(20261123)
    paths = []
    for number in range(corpus_size):
        content, ending = mutated(rng)
        paths.append(tmp_path / f"{number}{ending}")
        paths[-1].write_bytes(content)
    for index, result in accepted("NIfTI files", read, paths):
        path = paths[index]
        shape, values, affine = parse(path)
        assert result[0].shape == shape, path
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(result[0], values.astype(np.float32), rtol=1e-4, err_msg=str(path))
        if affine is not None:
            np.testing.assert_allclose(
                result[1], affine, rtol=1e-4, atol=1e-4 * np.abs(affine).max(), err_msg=str(path)
            )
