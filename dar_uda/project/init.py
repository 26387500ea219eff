"""From two folders to a project: a cases table, a task with its reasons, and one page to look at."""

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dar_uda.data.layouts.table import row_of, write_rows
from dar_uda.data.versions import files_of
from dar_uda.jobs.cores import usable_cores
from dar_uda.jobs.files import check_writable, write_beside
from dar_uda.jobs.permissions import no_wider_than
from dar_uda.plan.plan import Plan
from dar_uda.project.choices import Options, check_budget, check_hu, choose_task, said_of_structures
from dar_uda.project.estimate import documented_pace, estimate_text
from dar_uda.project.found import check_facts, find_cases, read_places
from dar_uda.project.machine import Machine
from dar_uda.project.page import draw_page
from dar_uda.project.plan import TABLE, TASK, plan_of
from dar_uda.project.recognize import domain_and_place
from dar_uda.project.split import split_in_words
from dar_uda.project.structures import check_said
from dar_uda.project.survey import Facts, survey
from dar_uda.project.task_file import TaskChoices, task_text
from dar_uda.project.trial import Example, bring_to_grid, probed_pace
from dar_uda.project.workflow import snakemake_command, written

PAGE = "init.png"


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
    if os.path.lexists(project / TABLE):
        raise FileExistsError(
            f"DAR-419: {project / TABLE} exists and would be lost: give another folder with -o, or move the table away"
        )
    places = read_places(source, target)
    domains = places[0][0], places[1][0]
    check_budget(options.budget)
    check_hu(options.hu, domains)
    lines, cases = find_cases(places)
    said = said_of_structures(places, options)
    check_said(domains, cases, said)
    facts = survey(cases, domains[0], usable_cores(), dict(zip(domains, said.values(), strict=True)))
    lines += check_facts(facts)
    choices = choose_task(domains, facts, said, options)
    check_writable(project)
    write_rows(project / TABLE, [row_of(case, project.absolute()) for case in choices.split.value])
    images = (file for one in facts for file in files_of(str(one.case.image)))
    with _taken_back_on_error(project / TABLE), no_wider_than(images, project):
        return [*lines, *_write(source, target, project, choices, facts, options.probe)]


def _write(
    source: str, target: str, project: Path, choices: TaskChoices, facts: Sequence[Facts], probe: bool
) -> list[str]:
    """Write the page and the task of a project whose table is there; return what to print."""
    head = f"{first_line(source, target)}\nChange any value here, then run: {plain_command(project)}"
    plan = plan_of(task_text(choices, head, ""), project)
    with TemporaryDirectory() as folder:
        examples = [_example(facts, domain, plan, Path(folder)) for domain in choices.domains]
        draw_page(examples, plan.config.task, project / PAGE)
        estimate = _estimate(plan, examples, facts, Path(folder), probe)
    with write_beside(project / TASK) as partial:
        partial.write_text(task_text(choices, head, estimate), encoding="utf-8")
    return [*_summary(choices), estimate, *_next_steps(project)]


@contextmanager
def _taken_back_on_error(table: Path) -> Iterator[None]:
    """Delete a table if the block fails, so that the next `dar-uda init` finds no half of a project."""
    try:
        yield
    except BaseException:
        table.unlink()
        raise


def first_line(source: str, target: str) -> str:
    """Return the line with which a project's task begins: of which scans it is."""
    parts = [f"{domain}={place}" for domain, place in map(domain_and_place, (source, target))]
    return f"Written by: dar-uda init {shlex.join(parts)}"


def plain_command(project: Path) -> str:
    """Return the call of Snakemake that runs a project."""
    return written(snakemake_command(["--cores", "all", "--resources", "gpu=1"], TASK), project.absolute())


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
        *split_in_words(choices.split.value, choices.domains[1]),
    ]


def _next_steps(project: Path) -> list[str]:
    folder = shlex.quote(str(project))
    return [
        f"Written: {project / TABLE}, {project / TASK} (the reason for each value beside it), {project / PAGE}",
        f"Look at {project / PAGE}, then run: dar-uda run {folder}",
        f"The same, for all options of Snakemake: {plain_command(project)}",
    ]
