"""Thousands of broken cases tables: each is refused by name, or every row of it is one that a run can take."""

import re

import numpy as np

from dar_uda.data.cases_table import read_cases_table
from dar_uda.data.splits import GROUPS
from tests.faults.limited import accepted

GOOD = "case\tdomain\timage\tlabel\tsplit\tpatient\n" + "".join(
    f"{domain}{number}\t{domain}\t{domain}/{number}.nii.gz\t\t{split}\t{'P1' if number < 2 else ''}\n"
    for domain in ("ct", "mr")
    for number, split in enumerate(("train", "train", "test"))
)
PIECES = [
    b"\t",
    b"\n",
    b"\r\n",
    b"\x00",
    b"\xff",
    b"../",
    b"/",
    b"\xef\xbb\xbf",
    b'"',
    b" ",
    b"",
    b"ct0",
    b"\x1b[31m",
    b"<b>",
]


def mutated(rng):
    content = GOOD.encode()
    for _ in range(rng.integers(1, 4)):
        start = rng.integers(len(content) + 1)
        end = start + rng.integers(0, 4)
        piece = PIECES[rng.integers(len(PIECES))] if rng.random() < 0.8 else bytes(rng.integers(0, 256, 3, np.uint8))
        content = content[:start] + piece + content[end:]
    return content


def test_a_broken_table_is_refused_by_name_or_has_rows_that_a_run_can_take(tmp_path, corpus_size):
    rng = np.random.default_rng(20261123)
    paths = [tmp_path / f"{number}.tsv" for number in range(corpus_size)]
    for path in paths:
        path.write_bytes(mutated(rng))
    for _, result in accepted("cases tables", read_cases_table, paths):
        assert len({(row["domain"], row["case"]) for row in result}) == len(result) > 0
        for row in result:
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", row["case"]) and ".." not in row["case"]
            assert row["domain"].isalnum() and row["image"] and row["split"] in GROUPS
            assert not re.search(r"[\x00-\x1f]", row["image"] + row["label"] + row["patient"])
        sides = {(row["domain"], row["patient"] or row["case"], row["split"] == "test") for row in result}
        assert len({side[:2] for side in sides}) == len(sides)
