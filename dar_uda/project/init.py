"""From two folders to a project: a cases table, a task with its reasons, and one page to look at."""

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from dar_uda.data.checks.finding import report
from dar_uda.data.checks.planes import PlacedCase, findings_of_planes
from dar_uda.data.layouts.case import Case, Found
from dar_uda.data.layouts.table import check_names, printable, row_of, write_rows
from dar_uda.jobs.cores import usable_cores
from dar_uda.jobs.files import check_writable, write_beside
from dar_uda.plan.cases import read_cases
from dar_uda.plan.config import read_config
from dar_uda.plan.plan import Plan
from dar_uda.project.choice import Choice
from dar_uda.project.estimate import documented_pace, estimate_text
from dar_uda.project.grids import PIXELS, choose_grid, thinnest_of
from dar_uda.project.intensities import choose_intensity
from dar_uda.project.machine import Machine, choose_budget
from dar_uda.project.names import Values, read_names
from dar_uda.project.page import draw_page
from dar_uda.project.patches import choose_changes
from dar_uda.project.recognize import NAMES_TELL_DOMAIN, domain_and_place, find, recognize
from dar_uda.project.split import choose_split
from dar_uda.project.structures import choose_structures
from dar_uda.project.survey import Facts, survey
from dar_uda.project.task_file import TaskChoices, task_text
from dar_uda.project.trial import Example, bring_to_grid, probed_pace
from dar_uda.project.workflow import snakemake_command, workflow_folder, written

TASK, TABLE, PAGE = "task.yaml", "cases.tsv", "init.png"
WITHOUT_TARGET_LABELS = ["source_only", "dar_uda"]
LISTED = 8


@dataclass(frozen=True)
class Options:
    """What a user may say to `dar-uda init`.

    Attributes:
        labels, target_labels: Structures with their values in the files of source and target; empty: not said.
        budget: None: by the machine.
        test_fraction, seed: See `choose_split`.
        probe: Whether to measure a few trial steps for the estimate.
    """

    labels: Values
    target_labels: Values
    budget: str | None = None
    test_fraction: float = 0.2
    seed: int = 0
    probe: bool = False


def init_project(source: str, target: str, project: Path, options: Options) -> list[str]:
    """Write `cases.tsv`, `task.yaml` and `init.png` into a folder; return what to print.

    Args:
        source, target: `DOMAIN=FOLDER`, or `DOMAIN=TABLE`, a cases table.

    Raises:
        ValueError: Something about the scans or labels stops a run, or has to be said by an option.
    """
    if (project / TASK).exists():
        raise FileExistsError(
            f"DAR-409: {project / TASK} exists, and may hold your changes: give another folder with -o, delete it, or "
            f"run it: dar-uda run {shlex.quote(str(project))}"
        )
    places = _places(source, target)
    domains = places[0][0], places[1][0]
    _check_budget(options.budget)
    lines, cases = _found(places)
    facts = survey(cases, domains[0], usable_cores())
    lines += _checked(facts)
    choices = _choices(domains, places, facts, options)
    check_writable(project)
    write_rows(project / TABLE, [row_of(case, project.absolute()) for case in choices.split.value])
    head = f"{first_line(source, target)}\nChange any value here, then run: {plain_command(project)}"
    plan = _plan_of(task_text(choices, head, ""), project)
    with TemporaryDirectory() as folder:
        examples = [_example(facts, domain, plan, Path(folder)) for domain in domains]
        draw_page(examples, plan.config.task, project / PAGE)
        estimate = _estimate(plan, examples, facts, Path(folder), options.probe)
    with write_beside(project / TASK) as partial:
        partial.write_text(task_text(choices, head, estimate), encoding="utf-8")
    return [*lines, *_summary(choices), estimate, *_next_steps(project)]


def first_line(source: str, target: str) -> str:
    """Return the line with which a project's task begins: of which scans it is."""
    parts = [f"{domain}={place}" for domain, place in map(domain_and_place, (source, target))]
    return f"Written by: dar-uda init {shlex.join(parts)}"


def plain_command(project: Path) -> str:
    """Return the call of Snakemake that runs a project."""
    return written(snakemake_command(["--cores", "all", "--resources", "gpu=1"], TASK), project.absolute())


def read_plan(project: Path) -> Plan:
    """Return the plan of a project.

    Raises:
        ValueError: Its task or its table is wrong.
    """
    return _plan_of((project / TASK).read_text(encoding="utf-8"), project)


def _plan_of(text: str, project: Path) -> Plan:
    root = workflow_folder()
    values = yaml.safe_load(text)
    table = {"cases": str(project.absolute() / values.get("cases", TABLE))}
    config = read_config(root, {**values, **table}, {str(project / TASK): text})
    return Plan.of(config, read_cases(config, root))


def _places(source: str, target: str) -> tuple[tuple[str, Path], tuple[str, Path]]:
    first, second = domain_and_place(source), domain_and_place(target)
    if first[0] == second[0]:
        raise ValueError(
            f"DAR-408: Source and target have one domain, {first[0]}: give the two kinds of scans different names, "
            f"such as {first[0]}={first[1]} and {first[0]}2={second[1]}"
        )
    tells_apart = first[1].is_file() or recognize(first[1]) in NAMES_TELL_DOMAIN
    if first[1].resolve() == second[1].resolve() and not tells_apart:
        raise ValueError(
            f"DAR-408: Source and target are one folder, {first[1]}: give the scans of {first[0]} and of {second[0]} a "
            "folder each, or a cases table that says which is which"
        )
    return first, second


def _check_budget(budget: str | None) -> None:
    shipped = sorted(path.stem for path in (workflow_folder() / "config" / "budgets").glob("*.yaml"))
    if budget and budget not in shipped:
        raise ValueError(f"DAR-414: --budget {budget}: found no such budget; expected one of {', '.join(shipped)}")


def _found(places: Sequence[tuple[str, Path]]) -> tuple[list[str], list[Case]]:
    lines, cases = [], []
    for domain, place in places:
        layout, found = find(domain, place)
        labeled = sum(case.label is not None for case in found.cases)
        lines.append(f"{domain}: {len(found.cases)} scans, {labeled} with a label, in {place} (layout {layout})")
        lines += _left_out(found)
        cases += found.cases
    check_names([(case.domain, case.name, case.image) for case in cases])
    return lines, cases


def _left_out(found: Found) -> list[str]:
    lines = [printable(f"  left out: {path} {reason}") for path, reason in found.left_out[:LISTED]]
    more = len(found.left_out) - LISTED
    return [*lines, *([f"  left out: {more} more"] if more > 0 else []), *(f"  {line}" for line in found.remarks)]


def _checked(facts: Sequence[Facts]) -> list[str]:
    """Return the warnings about the cases.

    Raises:
        ValueError: Something stops a run; the message has all of it.
    """
    findings = [finding for one in facts for finding in one.findings]
    placed = [PlacedCase(one.case.name, one.case.domain, one.case.image, one.grid) for one in facts if one.grid]
    findings += findings_of_planes(placed, None)
    lines = list(report(findings, len(facts)))
    if any(finding.kind.stops for finding in findings):
        raise ValueError("\n".join(["DAR-413: These scans cannot be used as they are.", *lines]))
    same = defaultdict(list)
    for one in facts:
        same[one.digest].append(one.case)
    if twice := [cases for cases in same.values() if len(cases) > 1]:
        pairs = "".join(f"\n  {' and '.join(str(case.image) for case in cases)}" for cases in twice[:LISTED])
        raise ValueError(f"DAR-407: One scan is there several times; expected it once: move all but one away:{pairs}")
    return lines if len(lines) > 1 else []


def _choices(
    domains: tuple[str, str], places: Sequence[tuple[str, Path]], facts: Sequence[Facts], options: Options
) -> TaskChoices:
    described = [read_names(place if place.is_dir() else place.parent) for _, place in places]
    given = options.labels, options.target_labels
    labels, target_labels = choose_structures(domains, facts, given, (described[0], described[1]))
    values = {value for own in labels.value.values() for value in own}
    by_domain = {domain: [one for one in facts if one.case.domain == domain] for domain in domains}
    intensities = {domain: choose_intensity(own, values) for domain, own in by_domain.items()}
    split = choose_split([one.case for one in facts], domains, options.test_fraction, options.seed)
    machine = Machine.here()
    budget = choose_budget(machine, options.budget)
    grids = {name: choose_grid(facts, domains, values, name) for name in dict.fromkeys([budget.value, *PIXELS])}
    changes = choose_changes(
        grids[budget.value].value,
        budget.value,
        _settings_of(budget.value),
        thinnest_of(by_domain[domains[0]], values),
        machine,
    )
    name = f"{domains[0]}_to_{domains[1]}"
    return TaskChoices(
        name, domains, labels, target_labels, intensities, budget, grids, changes, _methods(split), split
    )


def _settings_of(budget: str) -> Mapping[str, Any]:
    """Return the values of a budget as a run has them."""
    return read_config(workflow_folder(), {"task": "phantom", "budget": budget}).values


def _methods(split: Choice) -> Choice:
    """Return the methods of a run; None, those of the config, where labels of the target can train and score them."""
    target = split.value[-1].domain
    if any(case.domain == target and case.label and case.split == "train" for case in split.value):
        return Choice(None, "")
    return Choice(WITHOUT_TARGET_LABELS, "Without supervised: no label of the target is there to train on.")


def _example(facts: Sequence[Facts], domain: str, plan: Plan, folder: Path) -> Example:
    """Return the middle one of a domain's cases by their extent, a labeled one if there is any, on the grid."""
    own = [one for one in facts if one.case.domain == domain]
    own = [one for one in own if one.case.label] or own
    middle = sorted(own, key=lambda one: one.sides[2])[len(own) // 2]
    return bring_to_grid(middle.case, plan, folder)


def _estimate(plan: Plan, examples: Sequence[Example], facts: Sequence[Facts], folder: Path, probe: bool) -> str:
    machine = Machine.here()
    seconds = float(np.mean([example.seconds for example in examples]))
    pace = replace(documented_pace(plan, machine), preprocessing=seconds)
    if probe:
        pace = probed_pace(plan, examples, folder, machine)
    depth = plan.config.task.grid["spacing"][2]
    slices: dict[str, list[float]] = defaultdict(list)
    for one in facts:
        slices[one.case.domain].append(one.sides[2] / depth if depth else one.slices)
    return estimate_text(plan, pace, machine, {domain: float(np.mean(own)) for domain, own in slices.items()})


def _summary(choices: TaskChoices) -> list[str]:
    labels = ", ".join(f"{name} {','.join(map(str, own))}" for name, own in choices.labels.value.items())
    grid = choices.grids[choices.budget.value].value
    return [
        f"structures: {labels}",
        *(f"{domain}: {choice.value}" for domain, choice in choices.intensities.items()),
        f"budget {choices.budget.value}, grid {grid}",
        choices.split.reason,
    ]


def _next_steps(project: Path) -> list[str]:
    folder = shlex.quote(str(project))
    return [
        f"Written: {project / TABLE}, {project / TASK} (the reason for each value beside it), {project / PAGE}",
        f"Look at {project / PAGE}, then run: dar-uda run {folder}",
        f"The same, for all options of Snakemake: {plain_command(project)}",
    ]
