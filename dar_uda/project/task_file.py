"""The task as a file for `--configfile`: every value with the reason for it as a comment."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dar_uda.project.choice import Choice

WIDTH = 118


@dataclass(frozen=True)
class TaskChoices:
    """All that `dar-uda init` chooses.

    Attributes:
        name: Of the task.
        domains: Source and target.
        labels: Structures with their values.
        target_labels: Those that differ in the target's files.
        intensities: By domain.
        budget: The budget's name.
        grids: By budget, that of `budget` first.
        changes: What the task changes of the budget.
        methods: None: those of the config.
        split: Why cases train and test as they do; its value is not in the task but in the cases table.
    """

    name: str
    domains: tuple[str, str]
    labels: Choice
    target_labels: Choice
    intensities: Mapping[str, Choice]
    budget: Choice
    grids: Mapping[str, Choice]
    changes: Choice
    methods: Choice
    split: Choice


def task_text(choices: TaskChoices, head: str, estimate: str) -> str:
    """Return the file, YAML.

    Args:
        head: Its first comment, whose lines stay whole: they hold commands.
        estimate: What the run takes.
    """
    return "\n".join(_lines(choices, head, estimate)) + "\n"


def _lines(choices: TaskChoices, head: str, estimate: str) -> Iterator[str]:
    first, *others = choices.grids.items()
    source, target = choices.domains
    yield from (f"# {line}" for line in head.splitlines())
    yield f"task: {choices.name}"
    yield from _comment(f"Paths count from the folder in which snakemake runs, this one. {choices.split.reason}")
    yield "cases: cases.tsv"
    if choices.methods.value:
        yield from _comment(choices.methods.reason)
        yield f"methods: {_flow(choices.methods.value)}"
    yield from ("tasks:", f"  {choices.name}:")
    yield from _entry("budget", Choice(choices.budget.value, f"{choices.budget.reason} {estimate}"))
    yield from _entry("directions", Choice([f"{source}-to-{target}"], "From the labeled source to the target."))
    yield from _entry("labels", _short(choices.labels))
    yield "    domains:"
    for domain, intensity in choices.intensities.items():
        own = {"intensity": intensity.value}
        labels = choices.target_labels if domain == target else Choice({}, "")
        if labels.value:
            own["labels"] = _short(labels).value
        yield from _entry(domain, Choice(own, f"{intensity.reason} {labels.reason if labels.value else ''}"), 6)
    yield from _entry("grid", first[1])
    if others:
        yield from _comment("Grids of other budgets: --config budget=... takes them.", 4)
        yield "    grids:"
        for budget, grid in others:
            yield from _entry(budget, Choice(grid.value, ""), 6)
    if choices.changes.value:
        yield from _entry("budgets", Choice({choices.budget.value: choices.changes.value}, choices.changes.reason))


def _short(labels: Choice) -> Choice:
    """Return structures with one value as a number, not a list."""
    values = {name: own[0] if len(own) == 1 else own for name, own in labels.value.items()}
    return Choice(values, labels.reason)


def _entry(key: str, choice: Choice, indent: int = 4) -> Iterator[str]:
    yield from _comment(choice.reason, indent)
    yield f"{' ' * indent}{_flow(key)}: {_flow(choice.value)}"


def _comment(text: str, indent: int = 0) -> Iterator[str]:
    start = f"{' ' * indent}# "
    for paragraph in text.strip().splitlines():
        yield from textwrap.wrap(
            paragraph,
            WIDTH,
            initial_indent=start,
            subsequent_indent=start,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip().removesuffix("...").strip()
    )
