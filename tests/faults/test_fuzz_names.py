"""Hundreds of odd names: a table keeps each to the letter or refuses it by line, and Snakemake replaces nothing."""

import re

import numpy as np
from snakemake.io import apply_wildcards
from snakemake.pathvars import Pathvars

from dar_uda.data.cases_table import problems_of_path, read_rows

PIECES = [
    *"{}<>()[]'\"`$%#&;:,=!?*~^|@+-_. \\/x7",
    *("{run}", "{case}", "{domain, .*}", "{{case}}", "{w,a{3,5}}", "<results>", "<logs>", "${HOME}", "$(id)", "%(x)s"),
    *(
        "s3://",
        "C:\\",
        "..",
        "~/",
        "ä",
        "a\u0308",
        "张三",
        "\u00a0",
        "\u200e",
        "\u2028",
        "\x1b[31m",
        "\x7f",
        "\ud8e4",
        "é" * 130,
    ),
]
WILDCARDS = {"run": "r", "domain": "ct", "case": "ct0", "w": "w", "seed": "0"}
NAMES = 3000


def odd_name(rng):
    return "".join(rng.choice(PIECES, rng.integers(1, 7))).strip()


def as_snakemake_reads(path):
    return apply_wildcards(Pathvars.with_defaults().apply(path), WILDCARDS)


def test_a_path_is_kept_to_the_letter_or_refused_by_line(tmp_path):
    rng = np.random.default_rng(20261126)
    names = [name for name in (odd_name(rng) for _ in range(NAMES)) if name]
    written = [name for name in names if not re.search("[\ud800-\udfff]", name)]
    lines = [f"c{number}\tct\t{name}\t\ttrain" for number, name in enumerate(written)]
    table = tmp_path / "cases.tsv"
    table.write_text("\n".join(["case\tdomain\timage\tlabel\tsplit", *lines]) + "\n", encoding="utf-8")
    rows, problems = read_rows(table)
    assert [row["image"] for row in rows] == written
    refused = {int(re.match(r"line (\d+): image ", problem)[1]) for problem in problems}
    kept = [name for line, name in enumerate(written, start=2) if line not in refused]
    assert min(len(refused), len(kept)) > 200
    assert [as_snakemake_reads(name) for name in kept] == kept
    assert all(any(problems_of_path(name)) for name in set(names) - set(written)), "bytes that are not UTF-8"


def test_only_what_snakemake_replaces_is_refused_for_it():
    rng = np.random.default_rng(20261127)
    for name in (odd_name(rng) for _ in range(NAMES)):
        if any("Snakemake replaces" in problem for problem in problems_of_path(name)):
            try:
                assert as_snakemake_reads(name) != name
            except Exception as error:
                assert type(error).__name__ in ("WildcardError", "UndefinedPathvarException"), name
