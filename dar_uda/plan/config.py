"""What a run is asked for: the shipped values, the budget's, the task's and the user's, merged and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from dar_uda.plan.errors import PlanError
from dar_uda.plan.external import External, read_external
from dar_uda.plan.merge import Values, different, listed, merged
from dar_uda.plan.schema import problems
from dar_uda.plan.stages import ORDER
from dar_uda.plan.task import Direction, Task, known_entry, read_task
from dar_uda.plan.written import KEPT, NAMES, Reading, as_written, problems_of_file, read_entry, read_file, read_values

BRANCHES = (
    "translation",
    "styles",
    "segmentation",
    "model_selection",
    "cyclegan",
    "synseg_net",
    "ada_output",
    "cycada",
    "sifa",
    "nnunet",
    "inference",
)
"""The method's values: those that a budget and a task may change."""

COPIED = {"method_definitions", "networks", "tables", "translation", "segmentation", "cyclegan", "inference"}
"""Keys by which a config is known as a copy of the shipped one; branches of later versions are not among them."""

NAMES_TAKEN = ("all", "run", "calibration", "tta_inconsistency", "usage", *ORDER)
"""Names of rules, and of the tables that every run has: no table of a config can have one."""

WITH_EXTERNAL = ("summary", "comparison")
"""The tables that have every external row, whether their methods name it or not."""

LISTS = ("seeds", "directions", "methods", "metrics")
"""Keys for which a scalar stands for a list of one."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Config:
    """The config of one run.

    Attributes:
        values: All keys, the method's as this run uses them.
        without_user: The method's values as the budget and the task have them.
        task: The task, as the run's protocol and budget have it.
        directions: The run's.
        tables: Every table by name, its methods each once: the summary, and those that are targets of their own.
        methods: The definition of every method of a table, by name.
        external: The rows of masks that another program made, by name.
    """

    values: Values
    without_user: Values
    task: Task
    directions: tuple[Direction, ...]
    tables: Mapping[str, Values]
    methods: Mapping[str, Values]
    external: Mapping[str, External]

    @property
    def run(self) -> str:
        """The run's folder under results/."""
        return str(self.values["run"] or self.task.name)

    @property
    def seeds(self) -> list[int]:
        """The run's seeds, each once."""
        return list(dict.fromkeys(self.values["seeds"]))

    @property
    def metrics(self) -> list[str]:
        """The metrics that pages show, the first with its interval."""
        return list(self.values["metrics"] or self.task.metrics)

    @property
    def selection_rule(self) -> str:
        """By what a training's weights are chosen: `last`, or one of `SELECTION_RULES`."""
        return str(self.values["model_selection"]["rule"])

    @property
    def saves_probabilities(self) -> bool:
        """Whether probabilities are written beside masks, so that their calibration can be measured."""
        return bool(self.values["inference"]["save_probabilities"])

    def branch(self, name: str) -> dict[str, Any]:
        """Return a branch of the method's values, one of `BRANCHES`."""
        return dict(self.values[name])

    def part(self, name: str, *keys: str) -> dict[str, Any]:
        """Return some values of a branch."""
        return {key: self.values[name][key] for key in keys}

    def changes(self) -> list[str]:
        """Return the user's changes of the budget's values, `branch.key value`, but the rule of model selection."""
        return [
            line
            for branch in BRANCHES
            for line in listed(different(self.values[branch], self.without_user[branch]), branch)
            if not line.startswith("model_selection.rule ")
        ]


def read_config(
    project: Path, user: Values, files: Mapping[str, str] | None = None, entries: Mapping[str, Values] | None = None
) -> Config:
    """Return the run's config: what the project ships, with the user's values over it.

    Args:
        project: Folder of the project, with `config/` and `workflow/schemas/`.
        user: What the user's config files and `--config` hold, as Snakemake has read and merged it.
        files: Text of each of these files, by path.
        entries: What Snakemake has read from each entry of `--config`, by its text such as `run=007`.

    Raises:
        PlanError: A value is not as the schema says, or values contradict each other or name what is not there.
    """
    files, entries = files or {}, entries or {}
    for path, text in files.items():
        if found := problems_of_file(text):
            raise PlanError(f"Config file {path}: {'; '.join(found)}.")
    readings = [*map(read_file, files.values()), *(read_entry(*entry) for entry in entries.items())]
    shipped = _with_numbers(_load(project / "config" / "config.yaml"))
    # The user's keys come first, as in the config with which Snakemake starts: their order is that of the classes.
    values = _in_one_form(merged(user, shipped, *_shipped_entries(project), user), readings)
    if found := problems(values, _load(project / "workflow" / "schemas" / "config.schema.yaml")):
        raise PlanError("\n  ".join([f"DAR-001: Config {', '.join(files)}".rstrip() + ":", *found]))
    _check_tensorboard(values)
    task = read_task(values)
    layers = (values["budgets"][task.budget], task.changes)
    without_user = {branch: _layered(branch, shipped, *layers) for branch in BRANCHES}
    written = {branch: read_values(user.get(branch, {})) for branch in BRANCHES}
    changed = {branch: _changes_of_user(shipped[branch], written[branch], user.keys() >= COPIED) for branch in BRANCHES}
    values = {**values, **merged(without_user, changed)}
    directions = _read_directions(values, task)
    _check_protocol_and_region(values, task, directions)
    tables, external = _read_tables(values), read_external(values, task)
    config = Config(values, without_user, task, directions, tables, _read_methods(values, tables), external)
    if "nsd" in config.metrics and not any(task.nsd_tolerances):
        raise PlanError(
            f"DAR-046: metrics has nsd, but task {task.name} has no nsd_tolerance; expected a distance in mm for a "
            "structure: add it to the task, or take nsd out."
        )
    return config


def _load(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        values: dict[str, Any] = yaml.load(file, LOADER)  # nosec B506 # LOADER is a safe one
    return values


def _shipped_entries(project: Path) -> list[dict[str, Any]]:
    """Return what the project's files of one task or budget each hold."""
    folder = project / "config"
    return [_load(path) for path in sorted([*folder.glob("tasks/*.yaml"), *folder.glob("budgets/*.yaml")])]


def _with_numbers(values: Values) -> dict[str, Any]:
    return {key: value if key in NAMES else read_values(value) for key, value in values.items()}


def _in_one_form(values: Values, readings: list[Reading]) -> dict[str, Any]:
    """Return what users may write in several ways in one: lists, numbers, names as they are written."""
    values = _with_numbers(values)
    lists = {key: [values[key]] for key in LISTS if not isinstance(values[key], list | None)}
    return {**values, **lists, **{key: as_written(key, values[key], readings) for key in KEPT}}


def _layered(branch: str, *layers: Values) -> dict[str, Any]:
    return merged({}, *(layer.get(branch, {}) for layer in layers))


def _changes_of_user(shipped: Values, written: Values, is_copy: bool) -> Values:
    """Return what the user writes of a branch; of a copy of the shipped one, as snakedeploy makes it, what differs.

    Args:
        is_copy: Whether the whole config is a copy, of a version whose branches may lack keys.
    """
    return different(written, shipped) if is_copy or written.keys() >= shipped.keys() else written


def _check_tensorboard(values: Values) -> None:
    """Stop where TensorBoard is asked for and not installed."""
    if values["tensorboard"] and find_spec("tensorboard") is None:
        raise PlanError(
            "DAR-025: tensorboard is true, but its package is not installed: "
            "pip install -c constraints.txt -e '.[tensorboard]', or leave the key out."
        )


def _read_directions(values: Values, task: Task) -> tuple[Direction, ...]:
    known = {str(direction): direction for direction in task.both_directions}
    names = dict.fromkeys(values["directions"] or task.directions)
    for name in names:
        if name not in known:
            raise PlanError(f"DAR-010: Unknown direction {name!r} of task {task.name}; known: {', '.join(known)}.")
    return tuple(known[name] for name in names)


def _check_protocol_and_region(values: Values, task: Task, directions: tuple[Direction, ...]) -> None:
    """Stop where `paper` is not known or does not go with `external`, or a region would come from target labels."""
    if values["protocol"] == "paper" and not task.has_paper_protocol:
        raise PlanError(
            f"DAR-026: Task {task.name} does not say what protocol `paper` is: add `paper_protocol` to its domains, "
            "or take `clean`."
        )
    if values["external"] and any(domain.crops_to_labels for domain in task.domains.values()):
        raise PlanError(
            "DAR-059: Protocol `paper` crops scans by their labels, but not the masks of the external rows "
            f"{', '.join(values['external'])}, whose scores would not compare: take `clean`, or take `external` out."
        )
    if task.grid.get("region_margin") is None:
        return
    if task.grid.get("body_width") is not None:
        raise PlanError("DAR-032: A grid has `region_margin` or `body_width`, not both: set one to null.")
    if len(directions) > 1:
        raise PlanError(
            "DAR-031: The grid's region comes from the source's labels; with the directions "
            f"{', '.join(map(str, directions))} those of the target would count too. Run one direction at a time."
        )


def _read_tables(values: Values) -> dict[str, Values]:
    if "summary" in values["tables"]:
        raise PlanError(
            "DAR-039: The table `summary` is that of `methods`: change those, or give the table another name."
        )
    for name in values["tables"]:
        if name in NAMES_TAKEN:
            raise PlanError(
                f"DAR-039: The table `{name}` has the name of a rule, or of a file of every run: give it another name."
            )
    tables = {"summary": {"methods": values["methods"]}, **values["tables"]}
    rows = {
        name: [*table["methods"], *(values["external"] if name in WITH_EXTERNAL else ())]
        for name, table in tables.items()
    }
    return {name: {**table, "methods": list(dict.fromkeys(rows[name]))} for name, table in tables.items()}


def _read_methods(values: Values, tables: Mapping[str, Values]) -> dict[str, Values]:
    """Return the definitions of the methods of all tables, checked."""
    methods = {
        name: known_entry(values["method_definitions"], name, "method")
        for table in tables.values()
        for name in table["methods"]
        if name not in values["external"]
    }
    known = {**values["method_definitions"], **values["external"]}
    for what, entry in {"": values, **{f" of table {name}": table for name, table in tables.items()}}.items():
        if (reference := entry.get("reference_method")) is not None:
            known_entry(known, reference, "method", f" in reference_method{what}")
    for method in methods.values():
        known_entry(values["networks"], method["network"], "network")
    return methods
