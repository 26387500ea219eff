"""A file that is none of NIfTI's is refused before a library opens it, or what it names."""

import subprocess
import sys

import pytest

GIFTI = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE GIFTI SYSTEM "http://www.nitrc.org/frs/download.php/115/gifti.dtd">
<GIFTI Version="1.0" NumberOfDataArrays="1"><DataArray Intent="NIFTI_INTENT_NONE" DataType="NIFTI_TYPE_UINT8"
ArrayIndexingOrder="RowMajorOrder" Dimensionality="1" Dim0="4" Encoding="ExternalFileBinary" Endian="LittleEndian"
ExternalFileName="{secret}" ExternalFileOffset="0"><Data></Data></DataArray></GIFTI>
"""
READ = """
import sys
from pathlib import Path
import nibabel, numpy
from dar_uda.data.volume import read_volume
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
try:
    read_volume(sys.argv[1])
except ValueError as error:
    print(error)
print("opened" if sys.argv[2] in opened else "untouched")
"""


@pytest.mark.parametrize("name", ["a.gii", "A.GII", "a.surf.gii", "a.nii", "a.img"])
def test_a_gifti_does_not_open_the_file_that_it_names(tmp_path, name):
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"1234")
    (tmp_path / name).write_text(GIFTI.format(secret=secret))
    command = [sys.executable, "-c", READ, str(tmp_path / name), str(secret)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "DAR-1" in done.stdout and "untouched" in done.stdout
