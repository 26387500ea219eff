"""Write docs/glossary.md from dar_uda/plan/names.tsv; the schema and the modules say what keys and modules mean."""

import ast
import re
from collections.abc import Iterator
from itertools import groupby

from dar_uda.plan.renamed import Name, names
from docs.config_keys import REPOSITORY, SCHEMA, Row, keys_of, resolved

PAGE = REPOSITORY / "docs" / "glossary.md"
HEAD = """# Glossary

<!-- Written by `make docs` from dar_uda/plan/names.tsv. Change that. -->

One name means one thing, and one thing has one name: in the config, in files, on the command line and in the code.
The tables list all names, what earlier versions called them, and who uses the same word (`own`: only this project).
Where the same word is not quite the same name, it follows in brackets.
An earlier key, value, method or option stops the program with an error that has the present name.

These words had two meanings each:

| word before | one meaning now | the other meaning now |
|---|---|---|
| checkpoint | checkpoint: what a training resumes from | `model_selection.rule`: which weights of a training predict |
| layout | layout: the folders and names of a dataset | memory format: the order of a tensor in memory |
| ranks | distributed: the processes that share one training | ranking: the order of methods in a table |
| samples | patches: blocks of volumes that a training reads | previews: pictures that a training draws |
| resources | resources: what Snakemake reserves for a job | usage: the time and memory that a job took |
| steps | steps: optimizer updates | levels: the gray levels in which a volume is stored |
| source | source: the labeled domain | origin: where a file or a result comes from |
| scan, image, volume | image: a file that a user gives | volume: an array with its geometry |
"""
TITLES = {
    "config key": "Config keys",
    "config value": "Config values",
    "method": "Methods",
    "network": "Networks",
    "rule": "Rules",
    "path": "Files and folders of a run, below `results/{run}/`",
    "column": "Columns of tables",
    "bundle key": "Keys of `bundle.json`",
    "command": "Commands",
    "option": "Options",
    "module": "Modules, below `dar_uda/`",
}


def schema_keys() -> Iterator[Row]:
    """Yield every key of the config once, by its dotted path; a budget's own keys are those of the config."""
    shown: set[str] = set()
    for key, node in sorted(SCHEMA["properties"].items(), key=lambda item: "patternProperties" in resolved(item[1])):
        yield Row(key, resolved(node), True)
        yield from keys_of(node, key, shown)


def first_clause(text: str) -> str:
    """Return a text up to its first full stop or semicolon."""
    return re.split(r"(?<!\.)[.;] ", " ".join(text.split()))[0].removesuffix(".")


def meanings() -> dict[tuple[str, str], str]:
    """Return what the schema says of keys, and the modules of themselves, by kind and name."""
    package = REPOSITORY / "dar_uda"
    modules = {
        path.relative_to(package).as_posix(): ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for path in package.rglob("*.py")
    }
    said = {("config key", row.path): row.node.get("description", "") for row in schema_keys()}
    said |= {("module", name): text for name, text in modules.items()}
    return {name: first_clause(text) for name, text in said.items()}


def table(rows: list[Name], said: dict[tuple[str, str], str]) -> str:
    """Return a Markdown table of the names of one kind."""
    lines = ["| name | before | used by | meaning |", "|---|---|---|---|"]
    for row in rows:
        meaning = row.meaning or said.get(row[:2], "")
        cells = (f"`{row.name}`", f"`{row.before}`" if row.before else "", row.used_by, meaning)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)


def page() -> str:
    """Return docs/glossary.md."""
    said = meanings()
    kinds = groupby(names(), key=lambda row: row.kind)
    sections = [f"## {TITLES[kind]}\n\n{table(list(rows), said)}" for kind, rows in kinds]
    return "\n".join([HEAD, "\n\n".join(sections)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
