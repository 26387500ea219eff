"""All that `dar-uda init` chooses, from what the cases say and what the user says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dar_uda.plan.config import read_config
from dar_uda.project.choice import Choice
from dar_uda.project.found import Places
from dar_uda.project.grids import PIXELS, choose_grid, thinnest_of
from dar_uda.project.intensities import choose_intensity
from dar_uda.project.machine import Machine, choose_budget
from dar_uda.project.names import Values, read_names
from dar_uda.project.patches import choose_changes
from dar_uda.project.split import choose_split
from dar_uda.project.structures import Said, choose_structures
from dar_uda.project.survey import Facts
from dar_uda.project.task_file import TaskChoices
from dar_uda.project.workflow import workflow_folder

WITHOUT_TARGET_LABELS = ["source_only", "dar_uda"]


@dataclass(frozen=True)
class Options:
    """What a user may say to `dar-uda init`.

    Attributes:
        labels, target_labels: Structures with their values in the files of source and target; empty: not said.
        hu: Domains whose scans are in HU, whatever their values.
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
    hu: Sequence[str] = ()


def check_budget(budget: str | None) -> None:
    """Raise where a budget is asked for that is not shipped."""
    shipped = sorted(path.stem for path in (workflow_folder() / "config" / "budgets").glob("*.yaml"))
    if budget and budget not in shipped:
        raise ValueError(f"DAR-414: --budget {budget}: found no such budget; expected one of {', '.join(shipped)}")


def check_hu(hu: Sequence[str], domains: tuple[str, str]) -> None:
    """Raise where `--hu` names another domain than those of the two folders."""
    if unknown := sorted(set(hu) - set(domains)):
        raise ValueError(f"DAR-540: --hu {', '.join(unknown)}: expected {' or '.join(domains)}: correct the name")


def said_of_structures(places: Places, options: Options) -> Said:
    """Return what the options and the files of the two folders say of the structures."""
    source, target = (read_names(place if place.is_dir() else place.parent) for _, place in places)
    return Said((options.labels, options.target_labels), (source, target))


def choose_task(domains: tuple[str, str], facts: Sequence[Facts], said: Said, options: Options) -> TaskChoices:
    """Return the task of two folders.

    Args:
        facts, said: See `choose_structures`.

    Raises:
        ValueError: Labels or scans do not allow one, or leave open what an option has to say.
    """
    labels, target_labels = choose_structures(domains, facts, said)
    values = {value for own in labels.value.values() for value in own}
    by_domain = {domain: [one for one in facts if one.case.domain == domain] for domain in domains}
    intensities = {domain: choose_intensity(own, values, domain in options.hu) for domain, own in by_domain.items()}
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
