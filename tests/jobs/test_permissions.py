"""Modes of what is made of files, worked out by hand."""

import os

import pytest

from dar_uda.jobs.permissions import no_wider_than


def mode_of_what_is_made_of(origins, folder):
    with no_wider_than(origins, folder):
        (folder / "made").touch()
        (folder / "made_folder").mkdir()
    assert (folder / "made_folder").stat().st_mode & 0o666 == (folder / "made").stat().st_mode & 0o777 & 0o666
    return (folder / "made").stat().st_mode & 0o777


@pytest.fixture
def folder(tmp_path):
    """A folder that all can enter, with a umask that closes nothing to others but writing."""
    before = os.umask(0o022)
    (tmp_path / "all").mkdir(mode=0o755)
    yield tmp_path / "all"
    os.umask(before)


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([0o644], 0o644),
        ([0o600], 0o600),
        ([0o640], 0o640),
        ([0o604], 0o604),
        ([0o644, 0o640, 0o644], 0o640),
        ([0o640, 0o604], 0o600),
        ([0o400], 0o600),
        ([], 0o644),
    ],
)
def test_a_file_is_closed_to_whom_one_of_its_origins_is_closed(folder, modes, expected):
    origins = [folder / str(number) for number in range(len(modes))]
    for origin, mode in zip(origins, modes, strict=True):
        origin.touch()
        origin.chmod(mode)
    assert mode_of_what_is_made_of([*origins, folder / "absent"], folder) == expected
    assert os.umask(0o022) == 0o022


@pytest.mark.parametrize(("mode", "expected"), [(0o700, 0o600), (0o750, 0o640), (0o755, 0o644), (0o711, 0o644)])
def test_a_file_in_a_folder_that_is_closed_counts_as_closed(folder, mode, expected):
    series = folder / "series"
    series.mkdir()
    (series / "1.dcm").touch()
    series.chmod(mode)
    assert mode_of_what_is_made_of([series], folder) == expected


@pytest.mark.parametrize(("mode", "expected"), [(0o700, 0o600), (0o750, 0o640), (0o711, 0o644)])
@pytest.mark.parametrize("way", ["itself", "by a link"])
def test_a_file_anywhere_below_a_folder_that_is_closed_counts_as_closed(folder, mode, expected, way):
    """As in a home, whose own mode alone keeps others out."""
    home, out = folder / "home", folder / "out"
    (home / "scans").mkdir(parents=True)
    out.mkdir()
    (home / "scans" / "scan.nii").touch()
    (folder / "link.nii").symlink_to(home / "scans" / "scan.nii")
    home.chmod(mode)
    assert mode_of_what_is_made_of([home / "scans" / "scan.nii" if way == "itself" else folder / "link.nii"], out) == (
        expected
    )


def test_a_closed_folder_around_both_closes_its_files_itself(folder):
    home, out = folder / "home", folder / "home" / "out"
    out.mkdir(parents=True)
    (home / "scan.nii").touch()
    home.chmod(0o700)
    assert mode_of_what_is_made_of([home / "scan.nii"], out) == 0o644


def test_what_cannot_be_looked_at_changes_nothing_for_what_comes_later(folder):
    (folder / "file").touch()
    assert mode_of_what_is_made_of([folder / "file" / "below a file"], folder) == 0o644
    assert os.umask(0o022) == 0o022


def test_readable_by_another_group_is_not_readable_by_ones_own(folder):
    """As root alone can test it: only he gives a file to a group of which he is no member."""
    origin = folder / "scan"
    origin.touch()
    try:
        os.chown(origin, -1, os.getegid() + 1)
    except PermissionError:
        pytest.skip("needs the right to give files to groups")
    origin.chmod(0o640)
    assert mode_of_what_is_made_of([origin], folder) == 0o600
    (folder / "shared").mkdir()
    os.chown(folder / "shared", -1, os.getegid() + 1)
    (folder / "shared").chmod(0o2755)
    assert mode_of_what_is_made_of([origin], folder / "shared") == 0o640
