"""The files of a finished run and their columns have rows in the table of names."""

import re
from functools import cache

from dar_uda.evaluation.summary import MISSING
from dar_uda.plan.renamed import names


@cache
def pattern_of(name):
    """Return what fits the paths of a row; `{png,svg}` is a choice, another wildcard is a part of a name or nothing."""
    text = re.sub(r"\\\{([^{}]*,[^{}]*)\\\}", lambda match: f"({match[1].replace(',', '|')})", re.escape(name))
    text = re.sub(r"\\\{[^{}]*\\\}", "[^/]*", text)
    return re.compile(f"{text[:-1]}(/.*)?" if name.endswith("/") else text)


def columns_by_table():
    """Return the columns of each table; those of fewer wildcards and longer names, the special ones, first."""
    tables = {}
    for row in names():
        if row.kind == "column":
            table, _, column = row.name.rpartition(": ")
            tables.setdefault(table, []).append(column)
    return dict(sorted(tables.items(), key=lambda item: (item[0].count("{"), -len(item[0]))))


def files_of(results):
    files = (path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file())
    return [name for name in files if not re.search(r"(^|/)\.", name)]


def test_every_file_of_a_run_has_a_row(finished):
    listed = [pattern_of(row.name) for row in names() if row.kind == "path"]
    files = [name for name in files_of(finished.result("")) if not name.endswith(".provenance.json")]
    assert len(files) > 100
    assert [name for name in files if not any(pattern.fullmatch(name) for pattern in listed)] == []


def test_the_columns_of_every_table_of_a_run_have_rows(finished):
    tables, seen = columns_by_table(), set()
    for name in files_of(finished.result("")):
        if not name.endswith(".tsv") or name.startswith("benchmarks/"):  # most of these are Snakemake's
            continue
        table = next(table for table in tables if re.search(rf"(^|/){pattern_of(table).pattern}$", name))
        header = finished.result(name).read_text(encoding="utf-8").partition("\n")[0]
        columns = [column for column in tables[table] if column not in MISSING]  # only where another program made masks
        expected = "\t".join(".*" if "{" in column else column for column in columns)
        assert re.fullmatch(expected, header), name
        seen.add(table)
    assert len(seen) > 10
