"""Files that are in a folder twice, and series that share a folder."""

import shutil

import numpy as np
import pytest

from dar_uda.data.dicom import mixed_series, series_order
from dar_uda.data.volume import read_grid, read_volume
from tests.data.dicom_files import make_slice, save_series, save_slice


@pytest.fixture
def series(tmp_path):
    rng = np.random.default_rng(0)
    slices = [make_slice(rng.integers(0, 2000, (4, 5)).astype("<u2")) for _ in range(6)]
    return save_series(tmp_path / "series", slices)


@pytest.mark.parametrize("name", ["003 (1).dcm", "003 copy.dcm", "Copy of 003.dcm", "another"])
def test_a_copy_counts_once_and_is_named(series, caplog, name):
    whole = read_volume(series)
    shutil.copy(series / "003.dcm", series / name)
    volume = read_volume(series)
    np.testing.assert_array_equal(volume.array, whole.array)
    np.testing.assert_array_equal(volume.grid.affine, whole.grid.affine)
    assert [path.name for path in series_order(series)[0]] == [f"{k:03}.dcm" for k in range(6)]
    assert [record.getMessage() for record in caplog.records] == [
        f"DAR-151: {series}: files that are there twice count once (1), such as {name}, a copy of 003.dcm"
    ]


def test_a_folder_of_copies_of_every_file_is_read(series):
    whole = read_volume(series)
    for path in list(series.iterdir()):
        shutil.copy(path, series / f"{path.stem} (1).dcm")
        shutil.copy(path, series / f"{path.stem} (2).dcm")
    np.testing.assert_array_equal(read_volume(series).array, whole.array)


def edited(series, name, **entries):
    """Write a slice again under another name, with the same SOPInstanceUID."""
    import pydicom

    dataset = pydicom.dcmread(series / "003.dcm")
    for keyword, value in entries.items():
        setattr(dataset, keyword, value)
    save_slice(dataset, series / name)


@pytest.mark.parametrize(
    "entries",
    [
        {"PixelData": bytes(40)},
        {"ImagePositionPatient": [0, 0, 15]},
        {"RescaleIntercept": "-1024"},
        {"PixelSpacing": [1, 1]},
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]},
    ],
)
def test_files_of_one_uid_that_differ_are_refused_by_both_names(series, entries):
    edited(series, "edited.dcm", **entries)
    with pytest.raises(ValueError, match="series: edited.dcm and 003.dcm have one SOPInstanceUID, .* differ"):
        read_volume(series)


def test_what_does_not_concern_pixels_and_place_may_differ(series):
    edited(series, "edited.dcm", PatientName="Other", SliceLocation="99")
    assert read_grid(series).shape == (5, 4, 6)


@pytest.mark.parametrize("uid", ["1.2.3", None])
def test_one_uid_in_all_files_or_none_says_nothing(tmp_path, uid):
    slices = [make_slice(np.full((4, 5), k, "<u2")) for k in range(5)]
    for one in slices:
        one.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        if uid:
            one.SOPInstanceUID = uid
        else:
            del one.SOPInstanceUID
    folder = save_series(tmp_path / "series", slices)
    shutil.copy(folder / "002.dcm", folder / "copy.dcm")
    assert read_volume(folder).array[0, 0].tolist() == [0, 1, 2, 3, 4]


def test_two_slices_of_their_own_at_one_place_are_refused_by_their_names(tmp_path):
    slices = [make_slice(np.full((4, 5), k, "<u2")) for k in range(4)]
    folder = save_series(tmp_path / "series", slices)
    slices[2].ImagePositionPatient = ["0", "0", "2.5"]
    save_slice(slices[2], folder / "002.dcm")
    with pytest.raises(ValueError, match=r"series: several slices .*: 2.5 mm, such as 001.dcm and 002.dcm"):
        read_grid(folder)


def test_a_link_to_a_slice_that_is_not_there_is_named(series):
    (series / "005.dcm").unlink()
    (series / "005.dcm").symlink_to(series / "elsewhere.dcm")
    with pytest.raises(ValueError, match="005.dcm is a link to a file that is not there: fetch that file"):
        read_grid(series)


@pytest.mark.parametrize(
    ("uids", "numbers", "counts"),
    [
        ("aabb", "1111", [2, 2]),
        ("aabbb", "11111", [2, 3]),
        ("ababab", "111111", [3, 3]),
        ("abcabc", "111111", [2, 2, 2]),
        ("abcdef", "121212", [3, 3]),  # an anonymizer gave every file a UID of its own
        ("aaaaaa", "121212", [3, 3]),  # or all the same
        ("aaaaaa", "111111", []),
        ("abcdef", "111111", []),
        ("abbbbb", "111111", []),
    ],
)
def test_series_that_interleave_are_counted(tmp_path, uids, numbers, counts):
    slices = [
        make_slice(np.full((4, 5), k, "<u2"), SeriesInstanceUID=f"1.2.{ord(uid)}", SeriesNumber=number)
        for k, (uid, number) in enumerate(zip(uids, numbers, strict=True))
    ]
    assert mixed_series(save_series(tmp_path / "series", slices)) == counts


def test_a_gap_between_two_series_says_that_there_are_two(tmp_path):
    slices = [make_slice(np.full((4, 5), k, "<u2"), SeriesInstanceUID=f"1.2.{k // 3}") for k in range(6)]
    folder = save_series(tmp_path / "series", slices)
    for k in (3, 4, 5):
        slices[k].ImagePositionPatient = ["0", "0", str(100 + 2.5 * k)]
        save_slice(slices[k], folder / f"{k:03}.dcm")
    with pytest.raises(ValueError, match="002.dcm to 003.dcm.*Its files are of several series, of 3, 3 slices"):
        read_grid(folder)
