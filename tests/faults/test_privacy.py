"""What the headers and folders of scans say of patients stays there."""

import re
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import dar_uda
from dar_uda.bundle.slicer import write_slicer_segmentation
from dar_uda.data.extraction import extract_volume
from dar_uda.data.grid import Grid
from dar_uda.data.probabilities import probabilities_file
from dar_uda.data.volume import Volume, write_mask

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
GRID = Grid(ARRAY.shape, np.eye(4))


def probabilities(path):
    with probabilities_file(path, GRID, 2) as stored:
        stored[...] = 1


def one_of_4d(path):
    origin = path.with_name("Planted_4D.nii")
    nib.save(nib.Nifti1Image(np.stack([ARRAY, ARRAY], axis=-1), np.eye(4)), origin)
    extract_volume(origin, 1, path)


WRITERS = {
    "mask": lambda path: write_mask(path, ARRAY, GRID, "a remark"),
    "probabilities": probabilities,
    "volume of a 4D file": one_of_4d,
    "segmentation of Slicer": lambda path: write_slicer_segmentation(
        path.with_name("Planted.seg.nrrd"), Volume(ARRAY, GRID), ["liver"]
    ),
}


def gzip_of(folder):
    """Return what was written, from the first header of gzip on."""
    (path,) = (path for path in folder.iterdir() if path.suffix in (".gz", ".nrrd") and "Planted" in path.name)
    content = path.read_bytes()
    return content[content.index(b"\x1f\x8b\x08") :]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_gzip_says_neither_its_files_name_nor_a_time(tmp_path, monkeypatch, writer):
    written = []
    for name, now in (("Planted_Jane.nii.gz", 1e9), ("Planted_Joe.nii.gz", 1.5e9)):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        monkeypatch.setattr(time, "time", lambda now=now: now)
        WRITERS[writer](folder / name)
        written.append(gzip_of(folder))
    flags, seconds = written[0][3], written[0][4:8]  # RFC 1952
    assert (flags, seconds) == (0, bytes(4))
    assert written[0] == written[1]


def test_no_other_module_writes_gzip():
    """nibabel and SimpleITK write it for those above; a new one belongs there too."""
    writes = re.compile(r"gzip\.(GzipFile|compress)\(|gzip\.open\(.*[\"'][wax]|tarfile|make_archive|nib\.save\(")
    modules = Path(dar_uda.__file__).parent.rglob("*.py")
    found = {path.stem for path in modules if writes.search(path.read_text(encoding="utf-8"))}
    assert found == {"probabilities", "volume", "extraction", "phantom", "network_volume"}
