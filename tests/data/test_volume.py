import gzip
import json
import re

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.grid import GEOMETRY_FIELDS, Grid
from dar_uda.data.volume import read_grid, read_volume, write_mask

GEOMETRY = ("pixdim", *GEOMETRY_FIELDS)
SHEARED = np.array([[-0.8, 0.6, 0, 11], [1.2, 1.6, 0, -7], [0, 0, 5, 30], [0, 0, 0, 1.0]])
ROTATED = np.array([[-0.8, 1.2, 0, 11.1], [0.6, 1.6, 0, -7.7], [0, 0, 5, 30.3], [0, 0, 0, 1.0]])  # spacing (1, 2, 5)


def save(path, array, affine, codes=(1, 2)):
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, code=codes[0])
    image.set_sform(affine, code=codes[1])
    image.header["descrip"] = b"Jane Doe 1970"
    nib.save(image, path)
    return path


@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (1, 1), (2, 4), (0, 0)])
def test_a_mask_carries_exactly_the_geometry_of_its_input_and_nothing_else(tmp_path, codes):
    source = save(tmp_path / "image.nii.gz", np.zeros((4, 5, 6), np.int16), ROTATED, codes)
    grid = Grid.from_dict(json.loads(json.dumps(read_grid(source).to_dict())))
    write_mask(tmp_path / "mask.nii.gz", np.ones((4, 5, 6), np.uint8), grid)
    before, after = nib.load(source), nib.load(tmp_path / "mask.nii.gz")
    for name in GEOMETRY:
        np.testing.assert_array_equal(before.header[name], after.header[name], err_msg=name)
    np.testing.assert_array_equal(before.affine, after.affine)
    assert after.get_data_dtype() == np.uint8
    assert after.header["descrip"].item() == b""
    assert "Jane" not in json.dumps(grid.to_dict())


def test_a_mask_on_a_grid_without_header_lies_on_its_affine(tmp_path):
    write_mask(tmp_path / "mask.nii.gz", np.ones((4, 5, 6), np.uint8), Grid((4, 5, 6), ROTATED))
    written = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(written.get_sform(), ROTATED, atol=1e-5)
    np.testing.assert_allclose(written.get_qform(), ROTATED, atol=1e-4)
    write_mask(tmp_path / "sheared.nii.gz", np.ones((4, 5, 6), np.uint8), Grid((4, 5, 6), SHEARED))
    sheared = nib.load(tmp_path / "sheared.nii.gz")
    np.testing.assert_allclose(sheared.affine, SHEARED, atol=1e-5)
    assert sheared.header["qform_code"] == 0  # a qform cannot say shear


def test_a_mask_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(4, 5, 5\).*expected uint8 of shape \(4, 5, 6\)"):
        write_mask(tmp_path / "mask.nii.gz", np.ones((4, 5, 5), np.uint8), Grid((4, 5, 6), ROTATED))
    assert not list(tmp_path.iterdir())


def test_integers_stay_integers_and_a_slope_is_applied(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    plain = read_volume(save(tmp_path / "plain.nii", values, ROTATED)).array
    assert plain.dtype == np.int16
    image = nib.Nifti1Image(values, ROTATED)
    image.header.set_slope_inter(2, -1024)
    nib.save(image, tmp_path / "scaled.nii.gz")
    scaled = read_volume(tmp_path / "scaled.nii.gz").array
    np.testing.assert_array_equal(plain, values)
    np.testing.assert_array_equal(scaled, values * 2.0 - 1024)
    assert scaled.dtype == np.float32


def test_a_single_fourth_axis_is_dropped_and_a_longer_one_refused(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4, 1)
    volume = read_volume(save(tmp_path / "one.nii", values, ROTATED))
    np.testing.assert_array_equal(volume.array, values[..., 0])
    assert volume.grid.shape == (2, 3, 4)
    with pytest.raises(ValueError, match=r"two.nii has shape \(2, 3, 4, 2\), expected 3 axes: name one of its 2"):
        read_volume(save(tmp_path / "two.nii", np.repeat(values, 2, axis=3), ROTATED))


def test_what_is_no_volume_is_refused_by_name(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="notes.txt is not a NIfTI"):
        read_volume(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"absent.nii.gz: no such file"):
        read_grid(tmp_path / "absent.nii.gz")


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1.0), ("unknown", 1.0)])
def test_a_scan_in_meters_or_microns_lies_where_its_unit_says_and_so_does_its_mask(tmp_path, unit, factor):
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.diag([factor, factor, factor, 1.0]) @ ROTATED)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "image.nii")
    grid = read_grid(tmp_path / "image.nii")
    np.testing.assert_allclose(grid.affine, ROTATED, rtol=1e-5)
    write_mask(tmp_path / "mask.nii", np.zeros((4, 5, 6), np.uint8), grid)
    written = nib.load(tmp_path / "mask.nii")
    np.testing.assert_array_equal(written.affine, nib.load(tmp_path / "image.nii").affine)
    assert written.header.get_xyzt_units()[0] == unit


NAMES = ["a b/große Leber.nii.gz", "x.nii", "x.hdr", "x.img", "a b/große Leber.mha", "x.mhd", "x.nrrd", "x.nhdr"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["int16", "int64", "float64", "uint8", ">i2"])
def test_every_format_and_type_reads_to_the_same_volume(tmp_path, name, kind):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    values = np.arange(24).reshape(2, 3, 4).astype(kind)
    if path.suffix in (".nii", ".gz", ".hdr", ".img"):
        pair = nib.Nifti1Pair if path.suffix in (".hdr", ".img") else nib.Nifti1Image
        header = pair.header_class(endianness=">" if kind[0] == ">" else "<")
        nib.save(pair(values, ROTATED, header=header, dtype=values.dtype), path)
    else:
        image = sitk.GetImageFromArray(values.astype(values.dtype.newbyteorder("=")).T)
        in_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ROTATED
        spacing = np.linalg.norm(in_lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(in_lps[:3, 3].tolist())
        image.SetDirection((in_lps[:3, :3] / spacing).ravel().tolist())
        sitk.WriteImage(image, str(path))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, values)
    np.testing.assert_allclose(volume.grid.affine, ROTATED, atol=1e-5)
    np.testing.assert_allclose(read_grid(path).affine, ROTATED, atol=1e-5)


@pytest.mark.parametrize("name", ["image.nii.gz", "image.nii", "image.mha", "image.nrrd"])
def test_a_file_cut_short_is_refused_by_name(tmp_path, name):
    path, values = tmp_path / name, np.random.default_rng(0).integers(0, 1000, (20, 20, 20)).astype(np.int16)
    if ".nii" in name:
        nib.save(nib.Nifti1Image(values, ROTATED), path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    whole = path.read_bytes()
    for share in (0.5, 0.98):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=name):
            read_volume(path)


def test_a_header_that_promises_more_than_the_file_holds_takes_no_memory(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), tmp_path / "image.nii")
    content = bytearray((tmp_path / "image.nii").read_bytes())
    content[42:48] = np.array([32767, 32767, 32767], "<i2").tobytes()
    for name, data in (("image.nii", bytes(content)), ("image.nii.gz", gzip.compress(bytes(content)))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name} holds fewer than the 35181150961663 bytes"):
            read_volume(tmp_path / name)


@pytest.mark.parametrize("ending", ["mha", "mhd", "nrrd", "nhdr"])
@pytest.mark.parametrize("compressed", [False, True])
def test_itk_formats_read_right_and_damaged_compressed_voxels_are_refused(tmp_path, ending, compressed):
    values = np.random.default_rng(0).integers(0, 50, (6, 7, 8)).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1, 2, 3))
    path = tmp_path / f"scan.{ending}"
    sitk.WriteImage(image, str(path), compressed)
    np.testing.assert_array_equal(read_volume(path).array, values.T)
    if not compressed:
        return
    data = next((file for file in tmp_path.iterdir() if file != path), path)
    content = bytearray(data.read_bytes())
    content[-20] ^= 16
    data.write_bytes(content)
    for damaged in (content, content[:-40]):
        data.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"scan.{ending}.*copy or export it again"):
            read_volume(path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("ElementSpacing = 1 2 3", "ElementSpacing = 1 -2 3", "voxel sizes '1 -2 3', expected three above 0 mm"),
        ("ElementSpacing = 1 2 3\n", "", "voxel sizes None"),
        ("ElementDataFile = scan.raw", "ElementDataFile = ../scan.raw", "'../scan.raw'; expected one file beside it"),
        ("ElementDataFile = scan.raw", "ElementDataFile = LIST", "'LIST'; expected one file beside it"),
        ("ElementDataFile = scan.raw", "ElementDataFile = s%03d.raw 1 9 1", "expected one file beside it"),
        ("ElementDataFile = scan.raw", "ElementDataFile = /scan.raw", "'/scan.raw'; expected one file beside it"),
        ("ElementDataFile = scan.raw", "ElementDataFile = a/../../scan.raw", "expected one file beside it, or in a"),
        ("ElementType = MET_SHORT", "ElementType = MET_STRING", "DAR-132: "),
        ("ElementType = MET_SHORT", "ElementType = MET_SHORT_ARRAY", "the ElementType 'MET_SHORT_ARRAY', expected a"),
        ("ElementType = MET_SHORT\n", "", "has the ElementType '', expected a number's"),
        ("ElementDataFile = scan.raw", "ElementDataFile = scan2.raw", "scan2.raw, which is not beside it"),
    ],
)
def test_a_metaimage_header_that_says_too_little_or_looks_elsewhere_is_refused(tmp_path, before, after, message):
    image = sitk.Image(4, 5, 6, sitk.sitkInt16)
    image.SetSpacing((1, 2, 3))
    path = tmp_path / "scan.mhd"
    sitk.WriteImage(image, str(path))
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    for read in (read_grid, read_volume):
        with pytest.raises(ValueError, match=re.escape(message)):
            read(path)


def test_a_damaged_gzip_file_is_refused_however_its_ending_is_written(tmp_path):
    save(tmp_path / "a.nii.gz", np.arange(120, dtype=np.int16).reshape(4, 5, 6), ROTATED)
    content = bytearray((tmp_path / "a.nii.gz").read_bytes())
    content[-6] ^= 4
    (tmp_path / "B.NII.GZ").write_bytes(content)
    with pytest.raises(ValueError, match="B.NII.GZ"):
        read_volume(tmp_path / "B.NII.GZ")
