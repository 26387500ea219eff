"""What tables and reports say of a run, its cases and its methods."""

from collections.abc import Iterable, Iterator
from typing import Any

from dar_uda.data.splits import GROUPS
from dar_uda.data.tolerances import tolerances_in_words
from dar_uda.plan.cases import Cases
from dar_uda.plan.config import Config
from dar_uda.plan.external import External
from dar_uda.plan.methods import Method, domain_randomization_of
from dar_uda.plan.networks import Networks
from dar_uda.plan.paths import Paths
from dar_uda.plan.tables import Table
from dar_uda.plan.task import Direction, Task

CHOSEN_BY = {
    "last": "",
    "source_validation": "Weights chosen without target labels.",
    "target_oracle": "ORACLE: weights chosen by the target's test labels.",
}

SWITCHES = {"test_time_augmentation": "test-time augmentation", "keep_largest_component": "largest component"}


def stamp(config: Config) -> str:
    """Return what every figure says of the run; those of masks and scores say more, see `stamp_of_scores`."""
    seeds = ", ".join(map(str, config.seeds))
    noun = "seed" if len(config.seeds) == 1 else "seeds"
    values = config.values
    text = f"Task {values['task']}, protocol {values['protocol']}, budget {config.task.budget}, {noun} {seeds}."
    return f"{text} {CHOSEN_BY[config.selection_rule]}".rstrip()


def stamp_of_scores(config: Config, cases: Cases, direction: str) -> str:
    """Return what figures of a direction's masks and scores say of the run, and in a second line of its cases."""
    return "\n".join([stamp(config), *transductive(config, cases, [Direction.of(direction)])])


def transductive(config: Config, cases: Cases, directions: Iterable[Direction]) -> Iterator[str]:
    """Yield, in a sentence for each target, how many of its scored cases trainings see too: those with split `both`."""
    for target, counted in _scored_in_training(cases, directions).items():
        labels = "cropped by" if config.task.domains[target].crops_to_labels else "without"
        yield f"Transductive: {counted} scored cases of {target} are also training cases, {labels} their labels."


def _scored_in_training(cases: Cases, directions: Iterable[Direction]) -> dict[str, str]:
    """Return how many of the scored cases of each target are in training, such as `2 of 3`, where any is."""
    counts: dict[str, str] = {}
    for target in dict.fromkeys(direction.target for direction in directions):
        seen, scored = (len(cases.of(target, group, labeled=True)) for group in ("both", "test"))
        counts |= {target: f"{seen} of {scored}"} if seen else {}
    return counts


def stamp_of_table(table: Table, config: Config, cases: Cases) -> str:
    """Return the stamp, which scored cases train too, the NSD's tolerances if it is shown, and the user's changes."""
    said, changes, task = [stamp(config), *transductive(config, cases, table.directions)], config.changes(), config.task
    if "nsd" in config.metrics:
        said.append(tolerances_in_words(task.structures, task.nsd_tolerances))
    if changes:
        said.append(f"Changed: {'; '.join(changes)}.")
    return " ".join(said)


def stamped_choices(table: Table, config: Config, cases: Cases) -> dict[str, str]:
    """Return what every row of a table says of the run, by column."""
    seen = _scored_in_training(cases, table.directions)
    values = config.values
    return {
        "task": values["task"],
        "budget": config.task.budget,
        "protocol": values["protocol"],
        "model_selection": config.selection_rule,
        "transductive": ", ".join(f"{target} {counted}" for target, counted in seen.items()),
    }


def notes_of(method: Method, config: Config) -> list[str]:
    """Return in what a method differs from the paper in training or inference."""
    augmentation = config.branch("segmentation")["augmentation"]
    notes = [] if augmentation == "published" or method.is_nnunet else [f"{augmentation} augmentation"]
    if method.is_nnunet:
        nnunet = config.branch("nnunet")
        notes.append(f"{nnunet['planner']}, {nnunet['epochs']} epochs of {nnunet['iterations_per_epoch']} iterations")
    domain_randomization = domain_randomization_of(config)
    if method.is_randomized and domain_randomization:
        notes += [
            f"GIN {domain_randomization['gin']}",
            f"structure contrast {domain_randomization['structure_contrast']}",
        ]
        if method.is_synthetic:
            notes.append(f"source fraction {domain_randomization['source_fraction']}")
    notes += _own_steps(method, config)
    if count := method.self_training_iterations:
        steps = config.branch("segmentation")["self_training"]["steps"]
        notes.append(f"self-training {count} iteration{'s' if count > 1 else ''} of {steps} steps")
    is_corrected = method.is_synthetic and not method.training_set_pattern.endswith("disentangled-uncorrected")
    if is_corrected and config.branch("styles")["inter_slice_correction"]:
        notes.append("inter-slice correction")
    inference = Networks(config).inference(method.is_post_processed)
    if radius := inference["guided_filter_radius"]:
        notes.append(f"guided filter of radius {radius}")
    return notes + [words for key, words in SWITCHES.items() if inference[key]]


def _own_steps(method: Method, config: Config) -> list[str]:
    """Return the steps of trainings that do not make those of `segmentation`."""
    adaptation = method.training_set_pattern.rpartition(".")[2]
    if adaptation in ("ada_output", "sifa"):
        return [f"{config.branch(adaptation)['steps']} steps of its own"]
    segmentation, notes = config.branch("segmentation"), []
    if method.is_2d and segmentation["steps_2d"] != segmentation["steps"]:
        notes.append(f"{segmentation['steps_2d']} steps of its 2D U-Net")
    if adaptation == "cycada":
        cycada = config.branch("cycada")
        notes.append(f"{cycada['translator_steps']} of its translator, {cycada['steps']} of its last stage")
    return notes


def external_notes(table: Table, config: Config) -> dict[str, str]:
    """Return what is to be said of each external row of a table, which may be nothing: by name."""
    return {name: "; ".join(_external_notes(config.external[name], config.task)) for name in external_names(table)}


def _external_notes(external: External, task: Task) -> Iterator[str]:
    if external.is_ceiling:
        yield "trained on labels of the target"
    if lacking := external.structures_without_label(task):
        yield f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not in its labels, with Dice 0"


def external_names(table: Table) -> list[str]:
    """Return the names of a table's external rows, each once."""
    return list(dict.fromkeys(row.method for row in table.external))


def method_notes(table: Table, config: Config) -> dict[str, str]:
    """Return the notes of a table's methods and external rows that have any, by name."""
    notes = {method.name: ", ".join(notes_of(method, config)) for method in table.methods}
    return {name: text for name, text in {**notes, **external_notes(table, config)}.items() if text}


def gap_bounds(table: Table) -> dict[str, list[str]]:
    """Return floor and ceiling of the gap of a table's 2D methods."""
    return {method.name: ["source_only_2d", "supervised_2d"] for method in table.methods if method.is_2d}


def floors(table: Table) -> dict[str, str]:
    """Return the method without adaptation with which each adapted method of a table is compared."""
    return {
        method.name: "source_only_2d" if method.is_2d else "source_only"
        for method in table.methods
        if method.is_adapted
    }


def ceilings(table: Table, config: Config) -> list[str]:
    """Return a table's methods that train on labels of the target, and external rows whose programs did."""
    methods = [method.name for method in table.methods if method.training_set_pattern == "{target}"]
    return methods + [name for name in external_names(table) if config.external[name].is_ceiling]


def run_facts(table: Table, config: Config, cases: Cases) -> dict[str, Any]:
    """Return what a report says of the run and its cases."""
    return {
        **{name: config.values[name] for name in ("task", "protocol")},
        "model_selection": config.selection_rule,
        "run": config.run,
        "folder": Paths.of_run(config.run).folder,
        "table": table.name,
        "budget": config.task.budget,
        "seeds": config.seeds,
        "metrics": config.metrics,
        "ceilings": ceilings(table, config),
        "floors": floors(table),
        "stamp": stamp_of_table(table, config, cases),
        "transductive": list(transductive(config, cases, table.directions)),
        "cases": [group for domain in config.task.domains for group in _groups(domain, cases)],
    }


def _groups(domain: str, cases: Cases) -> Iterator[dict[str, Any]]:
    """Yield the cases of a domain by their split, where there are any: each case is in one group."""
    own = [case for case in cases.all if case.domain == domain]
    for split in GROUPS:
        if group := [case for case in own if case.split == split]:
            names, labeled = [case.name for case in group], sum(bool(case.label) for case in group)
            yield {"domain": domain, "split": split, "cases": names, "labeled": labeled}


def methods_in_words(table: Table, config: Config) -> dict[str, dict[str, Any]]:
    """Return what a report says of each method of a table; an external row has no training set."""
    return {
        method.name: {
            "training_set": method.training_set_pattern,
            "network": method.network,
            "is_2d": method.is_2d,
            "randomized": method.is_randomized,
            "self_training_iterations": method.self_training_iterations,
            "note": ", ".join(notes_of(method, config)),
        }
        for method in table.methods
    } | {name: {"training_set": "", "note": note} for name, note in external_notes(table, config).items()}
