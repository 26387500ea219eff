"""External rows: masks that another program made, which files hold that the config names by a pattern."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dar_uda.plan.errors import PlanError
from dar_uda.plan.merge import Values
from dar_uda.plan.task import Task, check_apart, listed_values

CASE, DIRECTION = "{case}", "{direction}"
REFERENCE = "reference"
"""The row of the references in tables and figures."""


@dataclass(frozen=True)
class External:
    """A row of the tables whose masks another program made.

    Attributes:
        pattern: Path of the masks with `{case}`, and `{direction}` where directions have masks of their own.
        labels: Values of each structure in the files, in the order of the task's; empty where the files have those of
            the target's labels.
        directions: Those in which tables have it; empty: those for whose test cases there are files.
        is_ceiling: Whether the program was trained on labels of the target.
    """

    name: str
    pattern: str
    labels: tuple[tuple[int | str, ...], ...]
    directions: tuple[str, ...]
    is_ceiling: bool

    def path(self, direction: str, case: str) -> str:
        """Return where the mask of a case is expected, as the config spells it."""
        return self.pattern.replace(DIRECTION, direction).replace(CASE, case)

    def label_values(self, task: Task, direction: str) -> list[list[int | str]]:
        """Return for each structure the values in the files that make it up."""
        return [list(values) for values in self.labels] or task.target(direction).label_values

    def structures_without_label(self, task: Task) -> list[str]:
        """Return the structures that `labels`, where it is given, does not name: they are in no mask."""
        return [name for name, values in zip(task.structures, self.labels, strict=False) if not values]


def read_external(values: Values, task: Task) -> dict[str, External]:
    """Return the external rows of a config that is as its schema says, by name.

    Raises:
        PlanError: A row has the name of another, or names a structure, direction or placeholder that is not known.
    """
    return {name: _read(name, entry, values, task) for name, entry in values["external"].items()}


def _read(name: str, entry: str | Values, values: Values, task: Task) -> External:
    _check_name(name, values)
    given: Values = {"masks": entry} if isinstance(entry, str) else entry
    _check_pattern(name, given["masks"])
    known = [str(direction) for direction in task.both_directions]
    for direction in given.get("directions", ()):
        if direction not in known:
            raise PlanError(
                f"DAR-010: Unknown direction {direction!r} of external row {name}; known: {', '.join(known)}."
            )
    labels = _labels(name, given["labels"], task.structures) if "labels" in given else ()
    return External(name, given["masks"], labels, tuple(given.get("directions", ())), given.get("ceiling", False))


def _check_name(name: str, values: Values) -> None:
    """Stop where tables or file systems, some of which ignore case, could not tell the row from another."""
    taken = dict.fromkeys(values["method_definitions"], "a method") | {REFERENCE: "the references' row"}
    taken |= {other: f"external row {other}" for other in values["external"] if other != name}
    for other, what in taken.items():
        if other.lower() == name.lower():
            raise PlanError(
                f"DAR-050: The external row {name} has the name of {what}, capital and small letters taken as the "
                "same: give it another name."
            )


def _check_pattern(name: str, pattern: str) -> None:
    others = [found for found in re.findall(r"\{[^{}]*\}", pattern) if found not in (CASE, DIRECTION)]
    if CASE not in pattern or others:
        raise PlanError(
            f"DAR-051: The masks of external row {name} are {pattern!r}; expected a path with {CASE} for the name of "
            f"the case, and with no other braces than {DIRECTION}, such as /data/{DIRECTION}/{CASE}.nii.gz."
        )


def _labels(name: str, labels: Values, structures: Sequence[str]) -> tuple[tuple[int | str, ...], ...]:
    if unknown := labels.keys() - set(structures):
        raise PlanError(
            f"DAR-052: labels of external row {name} names {', '.join(sorted(unknown))}; expected structures of the "
            f"task: {', '.join(structures)}."
        )
    check_apart(f"external row {name}", labels)
    return tuple(tuple(listed_values(labels.get(structure, []))) for structure in structures)
