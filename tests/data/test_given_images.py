"""Which files of a folder are scans, and what their masks are called."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dar_uda.data.companions import companions
from dar_uda.data.given_images import given_images, images_in, name_of, names_apart
from dar_uda.data.volume import read_grid, read_volume
from tests.data.dicom_files import write_as_dicom

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize("hidden", ["._a.nii.gz", ".DS_Store", ".a.nii", ".partial-1234-a.nii.gz"])
def test_hidden_files_are_no_scans(tmp_path, hidden):
    for name in ("a.nii.gz", hidden):
        (tmp_path / name).touch()
    assert images_in(tmp_path) == [tmp_path / "a.nii.gz"]
    (tmp_path / "a.nii.gz").rename(tmp_path / "IM0001")
    assert images_in(tmp_path) == [tmp_path]  # a DICOM series


def test_a_folder_that_is_called_as_a_file_is_none_and_a_broken_link_is_not_lost(tmp_path, caplog):
    (tmp_path / "x.nii").mkdir()
    (tmp_path / "a.nii.gz").touch()
    (tmp_path / "b.nii.gz").symlink_to("nowhere")
    assert images_in(tmp_path) == [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    assert "x.nii, a folder in a folder of volume files" in caplog.text


def test_a_series_beside_a_volume_file_as_dcm2niix_leaves_it_is_not_passed_over_in_silence(tmp_path, caplog):
    folder = tmp_path / "t2"
    write_as_dicom(sitk.GetImageFromArray(np.ones((3, 4, 4), np.int16)), folder, ["1", "2.dcm", "IM3"])
    (folder / "t2.json").write_text("{}")
    os.mkfifo(folder / "pipe")
    assert images_in(folder) == [folder] and not caplog.records
    (folder / "t2.nii.gz").touch()
    assert images_in(folder) == [folder / "t2.nii.gz"]
    assert f"Not read: 3 DICOM files in {folder}, which holds the volume file t2.nii.gz" in caplog.text


@pytest.mark.parametrize(
    "name", ["B.NII.GZ", "B.Nii.gz", "B.NII", "B.MHA", "B.Mha", "B.nrrd", "B.NRRD", "B.MHD", "B.NHDR", "B.HDR", "B.Hdr"]
)
def test_a_volume_file_has_its_suffix_in_any_case(tmp_path, name):
    suffix = name[1:].lower()
    if suffix in (".nii", ".nii.gz", ".hdr"):
        kind = nib.Nifti1Pair if suffix == ".hdr" else nib.Nifti1Image
        nib.save(kind(VALUES, np.diag([2.0, 3, 4, 1])), tmp_path / f"x{suffix}")
    else:
        image = sitk.GetImageFromArray(VALUES.T)
        image.SetSpacing((2, 3, 4))
        sitk.WriteImage(image, str(tmp_path / f"x{suffix}"))
    (tmp_path / f"x{suffix}").rename(tmp_path / name)
    if suffix == ".hdr":
        (tmp_path / "x.img").rename(tmp_path / "B.Img")
    assert images_in(tmp_path) == [tmp_path / name] and name_of(tmp_path / name) == "B"
    volume = read_volume(tmp_path / name)
    assert np.array_equal(volume.array, VALUES) and read_grid(tmp_path / name).shape == (3, 4, 5)


@pytest.mark.parametrize("pair", [("b.HDR", "b.img"), ("b.hdr", "b.IMG"), ("b.Hdr", "b.iMg"), ("b.HDR", "b.IMG")])
def test_header_and_voxels_of_a_pair_need_not_agree_in_case(tmp_path, pair):
    nib.save(nib.Nifti2Pair(VALUES, np.eye(4)), tmp_path / "x.hdr")
    for old, new in zip(("x.hdr", "x.img"), pair, strict=True):
        (tmp_path / old).rename(tmp_path / new)
    assert companions(tmp_path / pair[0]) == [tmp_path / pair[1]]
    assert np.array_equal(read_volume(tmp_path / pair[0]).array, VALUES)
    (tmp_path / pair[1]).unlink()
    with pytest.raises(ValueError, match=f"{pair[0]} says its voxels are in b.img, which is not beside it"):
        read_volume(tmp_path / pair[0])


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_a_name_that_is_not_utf_8_is_refused_where_simpleitk_would_end_the_process(tmp_path, suffix):
    sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(tmp_path / f"x{suffix}"))
    path = tmp_path / os.fsdecode(f"caf\xe9{suffix}".encode("latin-1"))
    (tmp_path / f"x{suffix}").rename(path)
    with pytest.raises(ValueError, match="its name or its folder's is not UTF-8; rename it"):
        read_volume(path)


@pytest.mark.parametrize(
    ("scans", "names"),
    [
        (["p1/t2.nii.gz", "p2/t1.nii.gz"], ["t2", "t1"]),
        (["p1/t2.nii.gz", "p2/T2.NII.GZ"], ["t2", "T2"]),
        (["p1/t2.nii.gz", "p2/t2.mha", "p2/t1.nii"], ["p1_t2", "p2_t2", "t1"]),
        (["p1/mr/t2.nii", "p2/mr/t2.nii", "p3/ct/t2.nii"], ["p1_mr_t2", "p2_mr_t2", "ct_t2"]),
        (["p1/t2.nii", "p2/t2.nii", "x/p1_t2.nii"], ["r_p1_t2", "p2_t2", "x_p1_t2"]),
        (["p1/DICOM", "p2/DICOM"], ["p1_DICOM", "p2_DICOM"]),
        (["p1/../p1/t2.nii", "p2/./t2.nii"], ["p1_t2", "p2_t2"]),
    ],
)
def test_names_are_the_files_own_or_those_of_the_fewest_folders(scans, names):
    assert names_apart([Path("/r") / scan for scan in scans]) == names


def test_where_a_disk_takes_upper_and_lower_case_for_one_names_differ_in_more():
    scans = [Path("/r", name) for name in ("p1/t2.nii", "p2/T2.nii", "p1/e\u0301.nii", "p2/\xc9.nii")]
    assert names_apart(scans, one_case=True) == ["p1_t2", "p2_T2", "p1_e\u0301", "p2_\xc9"]


def test_names_of_any_folders_are_unique_and_none_is_lost():
    """200 draws of up to 8 scans in folders of few names, with names that look like those of folders and scans."""
    rng, refused = np.random.default_rng(0), 0
    for _ in range(200):
        parts = ["a", "b", "a_b", "A"]
        scans = {Path("/", *rng.choice(parts, rng.integers(1, 4))) / f"{rng.choice(parts)}.nii" for _ in range(8)}
        scans, one_case = sorted(scans), bool(rng.random() < 0.5)
        try:
            names = names_apart(scans, one_case)
        except ValueError as error:
            refused += 1
            assert "give them apart" in str(error)
            continue
        assert len({name.casefold() if one_case else name for name in names}) == len(scans)
        assert all(name.endswith(scan.stem) for name, scan in zip(names, scans, strict=True))
    assert refused < 100


def test_a_folder_given_as_a_dot_has_the_name_of_its_place(tmp_path, monkeypatch):
    (tmp_path / "series" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "series" / "below")
    assert [name_of(Path(given)) for given in (".", "..", "../below/..")] == ["below", "series", "series"]
    assert given_images(["..", "../../series"]) == [Path("..")]
