"""A scan of more voxels than are allowed is refused from its header, in every format; a key allows more."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.ceiling import MOST_VOXELS, VARIABLE, most_voxels, raise_ceiling
from dar_uda.data.volume import read_grid, read_volume
from tests.data.dicom_files import make_slice, save_series

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def save(path):
    if path.suffix in (".nii", ".gz"):
        nib.save(nib.Nifti1Image(VALUES, np.eye(4)), path)
    elif path.suffix:
        sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(path))
    else:
        save_series(path, [make_slice(VALUES[:, :, k].astype("<u2")) for k in range(4)])
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.nrrd", "a.nhdr", "series"])
def test_as_many_voxels_as_are_allowed_are_read_and_one_more_is_refused(tmp_path, monkeypatch, name):
    path = save(tmp_path / name)
    factor = 32 // 4 if name == "series" else 1  # four slices of 6 pixels: a slice may have a 32nd of all
    monkeypatch.setenv(VARIABLE, str(24 * factor))
    assert read_volume(path).array.size == 24
    monkeypatch.setenv(VARIABLE, str(24 * factor - 1))
    for read in (read_grid, read_volume):
        with pytest.raises(ValueError, match=rf"DAR-510: .*{name}.* by its header, expected .*raise `max_voxels`"):
            read(path)


def test_the_ceiling_is_above_all_public_scans_and_can_be_raised(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert most_voxels() == MOST_VOXELS == 512 * 512 * 2048
    monkeypatch.setenv(VARIABLE, "1")  # so that it is taken back
    raise_ceiling(10**10)
    assert most_voxels() == 10**10


@pytest.mark.parametrize("text", ["many", "-1", "0", "1e9", "9" * 19])
def test_a_ceiling_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match="DAR-511: DAR_UDA_MAX_VOXELS is .*, expected a whole number"):
        most_voxels()
