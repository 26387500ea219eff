"""How many test cases a split leaves, and the warning where they are few."""

from pathlib import Path

import pytest

from dar_uda.cli.command import main
from dar_uda.data.layouts.case import Case
from dar_uda.project.split import split_in_words
from tests.project.scans import fill


def cases(*splits):
    """Return cases of lge, each a split and whether it has a label, behind one of another domain."""
    own = [
        Case(f"c{k}", "lge", f"c{k}", Path("a.nii"), Path("b.nii") if labeled else None, split)
        for k, (split, labeled) in enumerate(splits)
    ]
    return [Case("s1", "bssfp", "s1", Path("a.nii"), Path("b.nii"), "both"), *own]


@pytest.mark.parametrize(
    ("splits", "counts", "warned"),
    [
        ([("test", True), ("train", True)], "1, with a label: 1", "lge has 1 test case with a label, fewer than 3"),
        ([("test", True)] * 3, "3, with a label: 3", None),
        (
            [("both", False)] * 4 + [("both", True)] * 2,
            "6, with a label: 2",
            "lge has 2 test cases with a label, fewer",
        ),
        ([("both", False)] * 3, "3, with a label: 0", None),
        ([("both", False)], "1, with a label: 0", "lge has 1 test case, fewer than 3"),
    ],
)
def test_test_cases_are_counted_and_few_are_warned_of(splits, counts, warned):
    said = list(split_in_words(cases(*splits), "lge"))
    assert said[0] == f"test cases of lge: {counts}" and len(said) == 1 + bool(warned)
    assert warned is None or (warned in said[1] and "DAR-541" in said[1] and "--test-fraction" in said[1])


def test_init_prints_it(tmp_path, capsys):
    ct, mr = fill(tmp_path / "ct", "ct"), fill(tmp_path / "mr", "mr", 2)
    names = ["--labels", "liver=1,spleen=2", "--budget", "demo"]
    assert main(["init", f"ct={ct}", f"mr={mr}", "-o", str(tmp_path / "project"), *names]) == 0
    assert "test cases of mr: 1, with a label: 1\nWARNING: mr has 1 test case with a label" in capsys.readouterr().out
