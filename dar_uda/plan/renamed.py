"""What a name of earlier versions is now: from `names.tsv`, the table of all names of the project."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dar_uda.plan.errors import PlanError


class Name(NamedTuple):
    """A row of `names.tsv`.

    Attributes:
        kind: What it names: `config key`, `config value`, `method`, `column` and so on.
        name: The name; a config key is a dotted path, in which `*` stands for a name that users choose.
        before: What earlier versions called it; "" where it has always had this name.
        used_by: The project or field that uses the word; `own` where none does.
        meaning: What it names; "" where the schema or the module says so.
    """

    kind: str
    name: str
    before: str
    used_by: str
    meaning: str


@cache
def names() -> tuple[Name, ...]:
    """Return all rows of `names.tsv`."""
    lines = Path(__file__).with_name("names.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(Name(*line.split("\t")) for line in lines[1:])


def renamed(kind: str, old: str) -> str | None:
    """Return the present name of what earlier versions called `old`; None where nothing of the kind had that name.

    Args:
        old: In a dotted path, the names that users chose, such as `mine` in `tables.mine.resources`; they stay.
    """
    parts = old.split(".")
    for row in _renamed_rows(kind):
        before = row.before.split(".")
        if len(before) == len(parts) and all(map(_fits, before, parts)):
            return ".".join(parts[at] if word == "*" else word for at, word in enumerate(row.name.split(".")))
    return None


def check_rules(rules: Iterable[str]) -> None:
    """Stop where names of rules, as Snakemake's options and profiles have them, are those of earlier versions.

    What they set for rules that are not there, such as resources, Snakemake silently ignores.

    Raises:
        PlanError: There are such names; the message has the present ones.
    """
    found = [f"{rule} is now {now}" for rule in sorted({*rules}) if (now := renamed("rule", rule))]
    if found:
        raise PlanError(f"DAR-045: Names of rules in options or a profile of Snakemake: {', '.join(found)}.")


@cache
def _renamed_rows(kind: str) -> list[Name]:
    return [row for row in names() if row.kind == kind and row.before]


def _fits(word: str, part: str) -> bool:
    return word in ("*", part)
