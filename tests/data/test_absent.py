"""What is meant by a path at which nothing lies."""

import unicodedata

import pytest

from dar_uda.data.absent import advice_on_absent
from dar_uda.data.volume import read_volume


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("~/scans/a.nii", "`~` is not expanded"),
        ("tables/~anna/a.nii", "`~` is not expanded"),
        ("$HOME/a.nii", "variables are not expanded"),
        ("x/${DATA}/a.nii", "variables are not expanded"),
        ("%USERPROFILE%/a.nii", "variables are not expanded"),
        (r"C:\scans\a.nii", "this is a Windows path"),
        (r"\\server\scans\a.nii", "this is a Windows path"),
        ("s3://bucket/a.nii", "URLs are not read"),
        ("table/https:/host/a.nii", "URLs are not read"),
        ('"scans/a.nii"', "leave out the quotes"),
        ("scans/*.nii", "`*` and `?` are not expanded"),
        (r"scans\a.nii", "write / between folders"),
    ],
)
def test_the_look_of_a_path_says_what_is_meant(path, words):
    assert advice_on_absent(path).startswith(f"; {words}")
    with pytest.raises(FileNotFoundError, match="no such file or folder.*; "):
        read_volume(path)


@pytest.mark.parametrize("name", ["a.nii", "100%.nii", "a~.nii", "5$.nii", "a:b.nii", "it's.nii"])
def test_nothing_is_said_of_a_plain_path(tmp_path, name):
    assert advice_on_absent(tmp_path / name) == ""


@pytest.mark.parametrize(
    ("there", "written"),
    [
        (unicodedata.normalize("NFD", "Köln"), unicodedata.normalize("NFC", "Köln")),
        (unicodedata.normalize("NFC", "Köln"), unicodedata.normalize("NFD", "Köln")),
        ("a\u00a0b", "a b"),
        ("a  b", "a b"),
        ("scan ", "scan"),
        ("Scan.NII.GZ", "scan.nii.gz"),
        ("ﬁle", "file"),
    ],
)
def test_a_name_that_reads_the_same_is_found(tmp_path, there, written):
    (tmp_path / there).mkdir()
    assert f"; there is {tmp_path / there}, whose name differs" in advice_on_absent(tmp_path / written / "a.nii")


def test_a_link_whose_target_is_gone_is_named_with_it(tmp_path):
    (tmp_path / "link.nii").symlink_to("/gone/scan.nii")
    assert advice_on_absent(tmp_path / "link.nii") == "; it is a link to /gone/scan.nii, which is not there"
    assert advice_on_absent(tmp_path / "link.nii" / "a.nii") == ""
