"""What tables and reports say of a run, its cases and its methods."""

from typing import Any

from dar_uda.data.tolerances import tolerances_in_words
from dar_uda.plan.cases import Cases
from dar_uda.plan.config import Config
from dar_uda.plan.methods import Method, domain_randomization_of
from dar_uda.plan.paths import Paths
from dar_uda.plan.tables import Table

CHOSEN_BY = {
    "last": "",
    "source_validation": "Weights chosen without target labels.",
    "target_oracle": "ORACLE: weights chosen by the target's test labels.",
}

SWITCHES = {"test_time_augmentation": "test-time augmentation", "keep_largest_component": "largest component"}


def stamp(config: Config) -> str:
    """Return what every figure says of the run."""
    seeds = ", ".join(map(str, config.seeds))
    noun = "seed" if len(config.seeds) == 1 else "seeds"
    values = config.values
    text = f"Task {values['task']}, protocol {values['protocol']}, budget {config.task.budget}, {noun} {seeds}."
    return f"{text} {CHOSEN_BY[config.selection_rule]}".rstrip()


def stamp_with_changes(config: Config) -> str:
    """Return the stamp, the tolerances of the NSD if it is shown, and what of the budget's values the user changed."""
    said, changes, task = [stamp(config)], config.changes(), config.task
    if "nsd" in config.metrics:
        said.append(tolerances_in_words(task.structures, task.nsd_tolerances))
    if changes:
        said.append(f"Changed: {'; '.join(changes)}.")
    return " ".join(said)


def stamped_choices(config: Config) -> dict[str, str]:
    """Return what every row of a table says of the run, by column."""
    values = config.values
    return {
        "task": values["task"],
        "budget": config.task.budget,
        "protocol": values["protocol"],
        "model_selection": config.selection_rule,
    }


def notes_of(method: Method, config: Config) -> list[str]:
    """Return in what a method differs from the paper in training or inference."""
    notes = []
    domain_randomization = domain_randomization_of(config)
    if method.is_randomized and domain_randomization:
        notes = [
            f"GIN {domain_randomization['gin']}",
            f"structure contrast {domain_randomization['structure_contrast']}",
        ]
        if method.is_synthetic:
            notes.append(f"source fraction {domain_randomization['source_fraction']}")
    if method.is_self_trained:
        notes.append(f"self-training {config.branch('segmentation')['self_training']['steps']} steps")
    if method.is_synthetic and config.branch("styles")["inter_slice_correction"]:
        notes.append("inter-slice correction")
    inference = config.branch("inference")
    return notes + [words for key, words in SWITCHES.items() if inference[key]]


def method_notes(table: Table, config: Config) -> dict[str, str]:
    """Return the notes of a table's methods that have any, by method."""
    notes = {method.name: ", ".join(notes_of(method, config)) for method in table.methods}
    return {name: text for name, text in notes.items() if text}


def gap_bounds(table: Table) -> dict[str, list[str]]:
    """Return floor and ceiling of the gap of a table's 2D methods."""
    return {method.name: ["source_only_2d", "supervised_2d"] for method in table.methods if method.is_2d}


def ceilings(table: Table) -> list[str]:
    """Return a table's methods that train on labels of the target."""
    return [method.name for method in table.methods if method.training_set_pattern == "{target}"]


def run_facts(table: Table, config: Config, cases: Cases) -> dict[str, Any]:
    """Return what a report says of the run and its cases."""
    groups = [(domain, split) for domain in config.task.domains for split in ("train", "test")]
    return {
        **{name: config.values[name] for name in ("task", "protocol")},
        "model_selection": config.selection_rule,
        "run": config.run,
        "folder": Paths.of_run(config.run).folder,
        "table": table.name,
        "budget": config.task.budget,
        "seeds": config.seeds,
        "metrics": config.metrics,
        "stamp": stamp_with_changes(config),
        "cases": [
            {
                "domain": domain,
                "split": split,
                "cases": cases.of(domain, split),
                "labeled": len(cases.of(domain, split, labeled=True)),
            }
            for domain, split in groups
            if cases.of(domain, split)
        ],
    }


def methods_in_words(table: Table, config: Config) -> dict[str, dict[str, Any]]:
    """Return what a report says of each method of a table."""
    return {
        method.name: {
            "training_set": method.training_set_pattern,
            "network": method.network,
            "is_2d": method.is_2d,
            "randomized": method.is_randomized,
            "self_trained": method.is_self_trained,
            "note": ", ".join(notes_of(method, config)),
        }
        for method in table.methods
    }
