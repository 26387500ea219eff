"""Names of cases: whatever the files are called, the table that is written is one that every command takes."""

import csv

import nibabel as nib
import numpy as np
import pytest

from dar_uda.cli.command import main
from dar_uda.data.cases_table import NAME, read_cases_table
from dar_uda.data.layouts.case import case_name

SCAN = nib.Nifti1Image(np.arange(8, dtype=np.uint8).reshape(2, 2, 2), np.diag([1.0, 1.0, 3.0, 1.0])).to_bytes()


def write(folder, *names):
    for name in names:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "images" / f"{name}.nii").write_bytes(SCAN)
    return folder


def cases(tmp_path, *arguments):
    return main(["cases", "folders", *map(str, arguments), "-o", str(tmp_path / "cases.tsv")])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("p1", "p1"),
        ("a..b", "a.b"),
        ("patient 1", "patient_1"),
        ("\u00c4rztin", "Arztin"),
        ("A\u0308rztin", "Arztin"),
        ("x" * 100, "x" * 100),
        # SHA-256 of the UTF-8 text begins with these digits.
        ("\u5f20\u4e09", "case-1d841bc0ee"),
        ("\u0394 2", "2-5d209285a5"),
        ("x" * 101, "x" * 89 + "-" + "c675a2e604"),
    ],
)
def test_a_name_is_kept_as_far_as_a_table_takes_it(text, name):
    assert case_name(text) == name


def test_500_random_names_are_taken_by_a_table_and_names_that_lose_letters_stay_distinct():
    rng = np.random.default_rng(25)
    letters = "ab1_-. \u5f20\u4e09\u0394\u03b1\u0639\u0631\u00df\u0142\u00e9\u0439\U0001f600{}\"'%\\"
    texts = {"".join(rng.choice(list(letters), rng.integers(1, 140))) for _ in range(500)}
    names = {text: case_name(text) for text in texts}
    assert all(NAME.fullmatch(name) and ".." not in name for name in names.values())
    lossy = [name for text, name in names.items() if len(text) > 100 or any(ord(sign) > 0x3000 for sign in text)]
    assert len(lossy) > 300 and len(set(lossy)) == len(lossy)
    assert names == {text: case_name(text) for text in texts}


def test_chinese_arabic_and_long_names_give_a_table_that_check_takes(tmp_path, capsys):
    long = ["1.3.6.1.4.1.14519." + digits * 9 for digits in ("1234567890", "9876543210")]
    folder = write(tmp_path / "ct", "\u5f20\u4e09", "\u674e\u56db", "\u0639\u0644\u064a", *long, 'quo"ted', " spaced")
    assert cases(tmp_path, f"ct={folder}") == 0
    rows = read_cases_table(tmp_path / "cases.tsv")
    assert len({row["case"] for row in rows}) == len(rows) == 7
    assert main(["check", str(tmp_path / "cases.tsv")]) == 0, capsys.readouterr().err


def test_of_250_random_file_names_each_is_in_a_table_that_check_takes_or_left_out_with_the_reason(tmp_path, capsys):
    rng = np.random.default_rng(26)
    letters = list("abcdefghij0123456789 _-.\"'%#&{}[]$!\u5f20\u4e09\u0394\u00e9\u0639\t\n\x07\u202e")
    names = {"".join(rng.choice(letters, rng.integers(4, 60))) for _ in range(250)}
    by_case = {case_name(name): name for name in names if not name.startswith(".")}
    write(tmp_path / "ct", *by_case.values())
    assert cases(tmp_path, f"ct={tmp_path / 'ct'}") == 0
    printed = capsys.readouterr().out
    rows = read_cases_table(tmp_path / "cases.tsv")
    assert 20 < len(rows) < len(by_case)
    assert len(rows) + printed.count("rename it") == len(by_case)
    assert not any(sign in printed for sign in ("\x07", "\u202e", "\t"))
    assert all((tmp_path / row["image"]).is_file() for row in rows)
    assert main(["check", str(tmp_path / "cases.tsv"), "--processes", "1"]) == 0, capsys.readouterr().err


def test_names_that_are_not_utf_8_or_end_with_a_space_are_left_out(tmp_path, capsys):
    folder = write(tmp_path / "ct", "a", "b\udce9")
    (folder / "images" / "c ").mkdir()
    assert cases(tmp_path, f"ct={folder}") == 0
    printed = capsys.readouterr().out
    assert "b\\udce9.nii is not UTF-8: rename it" in printed and "c ' ends with a space: rename it" in printed
    assert [row["case"] for row in read_cases_table(tmp_path / "cases.tsv")] == ["a"]


def test_two_files_of_one_name_are_both_named_with_what_to_do(tmp_path, capsys):
    folder = write(tmp_path / "ct", "patient 1", "patient_1")
    assert cases(tmp_path, f"ct={folder}") == 1
    told = capsys.readouterr().err
    assert "Case patient_1 of domain ct is there 2 times" in told and "Rename all but one of these files" in told
    assert "images/patient 1.nii" in told and "images/patient_1.nii" in told


def test_a_patient_has_one_name_in_all_domains_however_odd(tmp_path):
    folders = [write(tmp_path / domain, "\u5f20\u4e09", "\u674e\u56db", "\u738b") for domain in ("ct", "mr")]
    assert cases(tmp_path, f"ct={folders[0]}", f"mr={folders[1]}") == 0
    with (tmp_path / "cases.tsv").open(encoding="utf-8") as file:
        sides = {(row["case"], row["split"]) for row in csv.DictReader(file, delimiter="\t")}
    assert len(sides) == 3


@pytest.mark.parametrize("domain", ["t2_spir", "ct-1", "", "x" * 41, "\u78c1"])
def test_a_domain_that_is_not_letters_and_digits_is_refused_in_words(tmp_path, capsys, domain):
    folder = write(tmp_path / "scans", "a", "b")
    assert cases(tmp_path, f"{domain}={folder}") == 1
    assert "a domain is letters and digits, up to 40: write it as in" in capsys.readouterr().err


def test_a_folder_with_an_equals_sign_is_a_folder(tmp_path, capsys, monkeypatch):
    folder = write(tmp_path / "a=b", "p", "q")
    monkeypatch.chdir(tmp_path)
    for given in (f"ct={folder}", "ct=a=b"):
        (tmp_path / "cases.tsv").unlink(missing_ok=True)
        assert cases(tmp_path, given) == 0
    assert cases(tmp_path / "x", "a=b") == 1
    assert "Plain folders do not tell their domain" in capsys.readouterr().err
