"""The task of a run: its two domains and their labels, as the run's protocol and budget have them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from dar_uda.plan.errors import PlanError
from dar_uda.plan.merge import Values
from dar_uda.plan.renamed import renamed

LARGEST_LABEL = 65535
LARGEST_BATCH = 2**26
"""Voxels of the windows that are predicted at a time, 32 of the paper's patches: a bundle asks for no more."""
RANGE = re.compile("[0-9]+(-[0-9]+)?")
DEFAULT_METRICS = ("dice", "asd")


@dataclass(frozen=True)
class Direction:
    """From the labeled source to the target, both names of domains; as text `ct-to-mr`."""

    source: str
    target: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the direction that a text such as `ct-to-mr` names."""
        source, target = text.split("-to-")
        return cls(source, target)

    def __str__(self) -> str:
        return f"{self.source}-to-{self.target}"


@dataclass(frozen=True)
class Domain:
    """One modality of a task.

    Attributes:
        letter: The translators' name of the domain: a for the first in the alphabet, b for the other.
        intensity: `window` or `percentile`, by which intensities become [0, 1].
        label_values: Values of every structure in the label files, or its names in DICOM SEG and RTSTRUCT, in the
            order of the classes 1..K.
        slice_axis: The file's axis across the slices; None where each file tells.
        crops_to_labels: Whether slices far from the labeled ones are cut off, as the paper's protocol does.
        doubles_depth: Whether the slice spacing is halved, as the paper's protocol does.
    """

    name: str
    letter: str
    intensity: dict[str, Any]
    label_values: list[list[int | str]]
    slice_axis: int | None
    crops_to_labels: bool
    doubles_depth: bool


@dataclass(frozen=True)
class Task:
    """Two domains with one label set.

    Attributes:
        domains: Both domains by name, in the order of the alphabet.
        structures: Names of the classes 1..K.
        nsd_tolerances: Distance in mm up to which surfaces agree, for each structure; None: not given.
        budget: The run's, which names `grid` and `changes`.
        grid: The grid on which the networks work.
        changes: What the task changes of the budget's values.
        directions, metrics: What a run takes that names none.
        cases: The cases table of a run that names none.
        has_paper_protocol: Whether the task says what the paper's protocol does with its volumes.
    """

    name: str
    domains: dict[str, Domain]
    structures: tuple[str, ...]
    nsd_tolerances: tuple[float | None, ...]
    budget: str
    grid: Values
    changes: Values
    directions: tuple[str, ...]
    metrics: tuple[str, ...]
    cases: str | None
    has_paper_protocol: bool

    def source(self, direction: str) -> Domain:
        """Return the source of a direction."""
        return self.domains[Direction.of(direction).source]

    def target(self, direction: str) -> Domain:
        """Return the target of a direction."""
        return self.domains[Direction.of(direction).target]

    def generator(self, direction: str) -> str:
        """Return CycleGAN's generator of a direction: `AtoB` from the first domain in the alphabet to the other."""
        return f"{self.source(direction).letter.upper()}to{self.target(direction).letter.upper()}"

    @property
    def both_directions(self) -> tuple[Direction, Direction]:
        """The directions that two domains have, that from the first in the alphabet first."""
        first, second = self.domains
        return Direction(first, second), Direction(second, first)


def known_entry(entries: Values, name: str, what: str, place: str = "") -> Any:
    """Return the entry of a name.

    Raises:
        PlanError: There is none; the message has the known names and the place, or the name that it has now.
    """
    if name not in entries:
        if now := renamed(what, name):
            raise PlanError(f"DAR-044: {what.capitalize()} {name} is now {now}.")
        raise PlanError(f"DAR-009: Unknown {what} {name!r}{place}; known: {', '.join(sorted(entries))}.")
    return entries[name]


def read_task(values: Values) -> Task:
    """Return the task of a config that is as its schema says.

    Raises:
        PlanError: The task or its budget is unknown, or what it says of its domains contradicts itself.
    """
    name, budgets = values["task"], values["budgets"]
    entry = known_entry(values["tasks"], name, "task")
    if len(entry["domains"]) != 2:
        raise PlanError(
            f"DAR-011: Task {name} needs two domains, not {len(entry['domains'])}: {', '.join(entry['domains'])}."
        )
    for named in {**entry.get("grids", {}), **entry.get("budgets", {})}:
        known_entry(budgets, named, f"budget of task {name}")
    for domain, of_domain in entry["domains"].items():
        _check_intensity(name, domain, of_domain["intensity"])
        _check_labels(name, domain, entry["labels"], of_domain.get("labels", {}))
    budget = values["budget"] or entry["budget"]
    known_entry(budgets, budget, "budget")
    is_paper = values["protocol"] == "paper"
    return Task(
        name=name,
        domains={
            domain: _domain(domain, letter, entry, is_paper)
            for letter, domain in zip("ab", sorted(entry["domains"]), strict=True)
        },
        structures=tuple(entry["labels"]),
        nsd_tolerances=_nsd_tolerances(name, entry),
        budget=budget,
        grid=entry.get("grids", {}).get(budget, entry["grid"]),
        changes=entry.get("budgets", {}).get(budget, {}),
        directions=tuple(entry["directions"]),
        metrics=tuple(entry.get("metrics", DEFAULT_METRICS)),
        cases=entry.get("cases"),
        has_paper_protocol=any(domain.get("paper_protocol") for domain in entry["domains"].values()),
    )


def _nsd_tolerances(name: str, task: Values) -> tuple[float | None, ...]:
    tolerances = task.get("nsd_tolerance", {})
    if unknown := tolerances.keys() - task["labels"].keys():
        raise PlanError(
            f"DAR-046: nsd_tolerance of task {name} names {', '.join(sorted(unknown))}; expected structures of its "
            f"labels: {', '.join(task['labels'])}."
        )
    return tuple(tolerances.get(structure) for structure in task["labels"])


def _domain(name: str, letter: str, task: Values, is_paper: bool) -> Domain:
    entry = task["domains"][name]
    paper = entry.get("paper_protocol", {}) if is_paper else {}
    labels = {**task["labels"], **entry.get("labels", {})}
    intensity = paper.get("intensity", entry["intensity"])
    return Domain(
        name=name,
        letter=letter,
        intensity={key: value for key, value in intensity.items() if value is not None},
        label_values=[listed_values(values) for values in labels.values()],
        slice_axis=entry.get("slice_axis"),
        crops_to_labels=paper.get("crop_to_labels", False),
        doubles_depth=paper.get("double_depth", False),
    )


def _check_intensity(task: str, domain: str, intensity: Values) -> None:
    given = [key for key, value in intensity.items() if value is not None]
    if len(given) != 1:
        raise PlanError(
            f"DAR-012: Domain {domain} of task {task} needs exactly one of window and percentile under intensity, "
            f"not {len(given)}; set the other to null."
        )
    window = intensity.get("window")
    if window and window[0] >= window[1]:
        raise PlanError(
            f"DAR-014: Domain {domain} of task {task} has the window {window}; expected [low, high], low < high."
        )


def _check_labels(task: str, domain: str, of_task: Values, of_domain: Values) -> None:
    """Stop where a domain has labels that its task does not have, or two structures share a value."""
    unknown = of_domain.keys() - of_task.keys()
    if unknown:
        raise PlanError(f"DAR-013: Domain {domain} has labels that task {task} does not: {', '.join(sorted(unknown))}.")
    check_apart(f"domain {domain}", {**of_task, **of_domain})


def check_apart(what: str, labels: Values) -> None:
    """Stop where two structures share a label value; `what` has the labels, such as `domain mr`."""
    owners: dict[int | str, str] = {}
    for structure, values in labels.items():
        for value in listed_values(values):
            key = value.casefold() if isinstance(value, str) else value
            if owners.setdefault(key, structure) != structure:
                raise PlanError(
                    f"DAR-015: Label value {value} of {what} stands for {owners[key]} and {structure}; "
                    "expected one structure per value."
                )


def listed_values(values: Any) -> list[int | str]:
    """Return the label values that an entry means: a number, a range such as "55-70", a name, or a list of those.

    Raises:
        PlanError: A range leads from high to low, or too far.
    """
    return [value for part in (values if isinstance(values, list) else [values]) for value in _range_of(part)]


def _range_of(part: int | str) -> Iterator[int | str]:
    if not RANGE.fullmatch(str(part)):
        yield str(part).strip()
        return
    numbers = [int(number) for number in str(part).split("-")]
    first, last = numbers[0], numbers[-1]
    if not first <= last <= LARGEST_LABEL:
        raise PlanError(
            f"DAR-016: Label values {part!r}: expected a range from low to high, at most {LARGEST_LABEL}, such as "
            "55-70."
        )
    yield from range(first, last + 1)
