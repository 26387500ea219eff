"""What the config asks for, and every helper function of the rules."""

import json
import os
import re
from collections import Counter

import pandas as pd
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from dar_uda.code_version import code_version

SCHEMAS = f"{workflow.basedir}/workflow/schemas"
PHANTOM_DATA = "results/phantom/data"
NAMES = (
    "task",
    "run",
    "cases",
    "budget",
    "protocol",
    "device",
    "directions",
    "methods",
)
OVERLAY_CASES = 4


def read_values(value):
    """Return `value` with strings such as "7200", "1e-4" or "true" (from --config) as what they mean; 1e4 is an integer."""
    if isinstance(value, dict):
        return {key: read_values(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [read_values(entry) for entry in value]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_config(config):
    """Bring what users may write into one form, in place, and refuse what the schema does not know."""
    for key in config:
        if key not in NAMES:
            config[key] = read_values(config[key])
    for key in ("seeds", "directions", "methods"):
        if config[key] is not None and not isinstance(config[key], list):
            config[key] = [config[key]]
    if isinstance(config["run"], int):
        config["run"] = str(config["run"])
    validate(config, f"{SCHEMAS}/config.schema.yaml", set_default=False)


def entry_of(branch, name, what):
    """Return `config[branch][name]`; stop with the known names where there is none."""
    if name not in config[branch]:
        raise WorkflowError(
            f"Unknown {what} {name!r}; known: {', '.join(sorted(config[branch]))}."
        )
    return config[branch][name]


def changed_values(values, shipped):
    """Return the part of the nested `values` that differs from `shipped`."""
    changed = {}
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(shipped.get(key), dict):
            part = changed_values(value, shipped[key])
            if part:
                changed[key] = part
        elif key not in shipped or value != shipped[key]:
            changed[key] = value
    return changed


def merged(values, changes):
    """Return the nested `values` with `changes` put over them."""
    both = {**values, **changes}
    for key in values.keys() & changes.keys():
        if isinstance(values[key], dict) and isinstance(changes[key], dict):
            both[key] = merged(values[key], changes[key])
    return both


def method_values(branch):
    """Return a branch of the method: the shipped values, then the budget's, then those that the user changed."""
    shipped = SHIPPED_CONFIG[branch]
    budget = entry_of("budgets", BUDGET, "budget").get(branch, {})
    return merged(merged(shipped, budget), changed_values(config[branch], shipped))


def read_task():
    """Return the run's task, checked."""
    task = entry_of("tasks", config["task"], "task")
    if len(task["domains"]) != 2:
        raise WorkflowError(
            f"Task {config['task']} needs two domains, not {len(task['domains'])}: {', '.join(task['domains'])}."
        )
    for domain, entry in task["domains"].items():
        given = [key for key, value in entry["intensity"].items() if value is not None]
        if len(given) != 1:
            raise WorkflowError(
                f"Domain {domain} of task {config['task']} needs exactly one of window and percentile under intensity, "
                f"not {len(given)}; set the other to null."
            )
        unknown = entry.get("labels", {}).keys() - task["labels"].keys()
        if unknown:
            raise WorkflowError(
                f"Domain {domain} has labels that task {config['task']} does not: {', '.join(sorted(unknown))}."
            )
    return task


def read_directions():
    """Return the directions of the run, checked."""
    known = [f"{a}-to-{b}" for a, b in (DOMAINS, DOMAINS[::-1])]
    directions = list(dict.fromkeys(config["directions"] or TASK["directions"]))
    for direction in directions:
        if direction not in known:
            raise WorkflowError(
                f"Unknown direction {direction!r} of task {config['task']}; known: {', '.join(known)}."
            )
    return directions


def read_methods():
    """Return the definitions of the run's methods, checked."""
    methods = {
        name: entry_of("method_definitions", name, "method")
        for name in config["methods"]
    }
    for method in methods.values():
        entry_of("networks", method["network"], "network")
    return methods


def find_cases_table():
    """Return the path of the cases table and the folder from which its paths count."""
    table = config["cases"] or TASK.get("cases")
    if table is None:
        raise WorkflowError(
            f"Task {config['task']} has no cases table: name one, as in --config task={config['task']} cases=/data/cases.tsv"
        )
    folder = os.path.dirname(table)
    if not os.path.exists(table) and not config["cases"]:
        table = os.path.join(workflow.basedir, table)
    if not os.path.isfile(table):
        raise WorkflowError(f"Cases table {table} does not exist (in {os.getcwd()}).")
    return table, folder


def path_from(folder, path):
    """Return `path`, which counts from `folder`, as counted from the working directory; "" stays empty."""
    if not path:
        return ""
    path = os.path.normpath(os.path.join(folder, path))
    inside = os.path.isabs(path) and path.startswith(os.getcwd() + os.sep)
    return os.path.relpath(path) if inside else path


def is_generated(row):
    """Return whether rule make_phantom writes the image of this case."""
    return row["image"].startswith(f"{PHANTOM_DATA}/")


def read_cases():
    """Return the rows of the cases table, checked, with paths counted from the working directory."""
    table, folder = find_cases_table()
    frame = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
    if frame.empty:
        raise WorkflowError(f"Cases table {table} has no case.")
    validate(frame, f"{SCHEMAS}/cases.schema.yaml", set_default=False)
    rows = frame.to_dict("records")
    for row in rows:
        row["image"] = path_from(folder, row["image"])
        row["label"] = path_from(folder, row["label"])
    for (domain, case), count in Counter(
        (row["domain"], row["case"]) for row in rows
    ).items():
        if domain not in DOMAINS:
            raise WorkflowError(
                f"Case {case} in {table}: domain {domain!r} is not in task {config['task']} ({', '.join(DOMAINS)})."
            )
        if count > 1:
            raise WorkflowError(
                f"Case {case} of domain {domain} stands {count} times in {table}."
            )
    for row in rows:
        for what in ("image", "label"):
            if row[what] and not is_generated(row) and not os.path.exists(row[what]):
                raise WorkflowError(
                    f"Case {row['case']} in {table}: {what} {row[what]} does not exist."
                )
    return rows


def cases_of(domain, split, labelled=False):
    """Return the names of a domain's cases of one split, in the order of the table."""
    return [
        row["case"]
        for row in CASES
        if row["domain"] == domain
        and row["split"] == split
        and (row["label"] or not labelled)
    ]


def source_of(direction):
    return direction.split("-to-")[0]


def target_of(direction):
    return direction.split("-to-")[1]


def letter_of(domain):
    """Return the translator's name of a domain: a for the first in the alphabet, b for the other."""
    return "ab"[DOMAINS.index(domain)]


def original(case, domain, what):
    """Return the user's image or label file of a case."""
    return next(
        row[what] for row in CASES if row["case"] == case and row["domain"] == domain
    )


def original_image(wildcards):
    return original(wildcards.case, wildcards.domain, "image")


def original_label(wildcards):
    return original(wildcards.case, wildcards.domain, "label")


def label_values(domain):
    """Return the values of every structure in a domain's label files, in the order of the classes 1..K."""
    labels = {**TASK["labels"], **TASK["domains"][domain].get("labels", {})}
    return [
        value if isinstance(value, list) else [value]
        for value in (labels[name] for name in STRUCTURES)
    ]


def intensity_of(domain):
    return {
        key: value
        for key, value in TASK["domains"][domain]["intensity"].items()
        if value is not None
    }


def case_files(domain, cases, name):
    """Return one preprocessed file of each case: image.nii, label.nii or grid.json."""
    return [f"results/{RUN}/cases/{domain}/{case}/{name}" for case in cases]


def slices_of(domain, suffix):
    return f"results/{RUN}/slices/{domain}.{suffix}"


def training_images(wildcards):
    return case_files(
        wildcards.domain, cases_of(wildcards.domain, "train"), "image.nii"
    )


def source_cases(direction):
    """Return the labelled training cases of the source; stop where there are none."""
    source = source_of(direction)
    cases = cases_of(source, "train", labelled=True)
    if not cases:
        raise WorkflowError(
            f"Direction {direction}: no training case of domain {source} has a label. Give one a label, or choose another direction."
        )
    return cases


def style_count(strategy):
    return method_values("styles")["clusters"] if strategy == "multi" else 1


def synthetic_volumes(direction, strategy, case, seed):
    """Return the synthetic volumes of one source case, one per style."""
    folder = f"results/{RUN}/seed-{seed}/synthetic/{direction}/disentangled-{strategy}/{case}"
    return [f"{folder}/style-{style}.nii" for style in range(style_count(strategy))]


def training_set_of(method, direction):
    """Return the training set of a method in a direction: a domain, or `direction.translator-strategy`."""
    return METHODS[method]["training_set"].format(
        direction=direction, source=source_of(direction), target=target_of(direction)
    )


def strategy_of(training_set):
    """Return the direction and style strategy of a synthetic training set; (None, None) for a domain."""
    if training_set in DOMAINS:
        return None, None
    direction, translation = training_set.split(".")
    return direction, translation.removeprefix("disentangled-")


def segmenter_images(wildcards):
    """Return the volumes of a training set."""
    direction, strategy = strategy_of(wildcards.training_set)
    if direction is None:
        return case_files(
            wildcards.training_set,
            cases_of(wildcards.training_set, "train", labelled=True),
            "image.nii",
        )
    return [
        volume
        for case in source_cases(direction)
        for volume in synthetic_volumes(direction, strategy, case, wildcards.seed)
    ]


def segmenter_labels(wildcards):
    """Return the label map of every volume of a training set."""
    direction, strategy = strategy_of(wildcards.training_set)
    if direction is None:
        return case_files(
            wildcards.training_set,
            cases_of(wildcards.training_set, "train", labelled=True),
            "label.nii",
        )
    labels = case_files(source_of(direction), source_cases(direction), "label.nii")
    return [label for label in labels for _ in range(style_count(strategy))]


def segmenter_file(method, direction, seed, name):
    folder = f"results/{RUN}/seed-{seed}/segmenters/{training_set_of(method, direction)}/{METHODS[method]['network']}"
    return f"{folder}/{name}"


def method_weights(wildcards):
    return segmenter_file(
        wildcards.method, wildcards.direction, wildcards.seed, "weights.safetensors"
    )


def predictions_of(method, direction, seed, cases):
    """Return the masks of a method, on the original grids."""
    return [
        f"results/{RUN}/seed-{seed}/predictions/{direction}/{method}/{case}.nii.gz"
        for case in cases
    ]


def scored_cases(direction):
    """Return the test cases of the target that have a label."""
    return cases_of(target_of(direction), "test", labelled=True)


def scored_predictions(wildcards):
    return predictions_of(
        wildcards.method,
        wildcards.direction,
        wildcards.seed,
        scored_cases(wildcards.direction),
    )


def references_of(direction):
    return [
        original(case, target_of(direction), "label")
        for case in scored_cases(direction)
    ]


def unavailable_reason(method, direction):
    """Return why a method cannot be scored in a direction; None where it can."""
    target = target_of(direction)
    if cannot_train(method, direction):
        return f"no training case of domain {target} has a label"
    if not scored_cases(direction):
        return f"no test case of domain {target} has a label"
    return None


def cannot_train(method, direction):
    """Return whether a method needs labels of the target's training cases, of which there are none."""
    target = target_of(direction)
    return training_set_of(method, direction) == target and not cases_of(
        target, "train", labelled=True
    )


def check_cases():
    """Stop where a direction of the run lacks cases that its methods need."""
    for direction in DIRECTIONS:
        target = target_of(direction)
        if not cases_of(target, "test"):
            raise WorkflowError(
                f"Direction {direction}: domain {target} has no test case."
            )
        for method in METHODS:
            training_set = training_set_of(method, direction)
            if training_set != target:
                source_cases(direction)
            if training_set not in DOMAINS and not cases_of(target, "train"):
                raise WorkflowError(
                    f"Direction {direction}, method {method}: domain {target} has no training case."
                )


def scored_rows(directions=None, seeds=None):
    """Return direction, method and seed of every row of the summary."""
    return [
        {"direction": direction, "method": method, "seed": seed}
        for direction in directions or DIRECTIONS
        for method in METHODS
        for seed in seeds or SEEDS
        if unavailable_reason(method, direction) is None
    ]


def unavailable_rows():
    """Return direction, method and reason of every row of the summary that stays empty."""
    return [
        {
            "direction": direction,
            "method": method,
            "reason": unavailable_reason(method, direction),
        }
        for direction in DIRECTIONS
        for method in METHODS
        if unavailable_reason(method, direction) is not None
    ]


def metrics_of(rows):
    return [
        "results/{}/seed-{seed}/metrics/{direction}/{method}.tsv".format(RUN, **row)
        for row in rows
    ]


def synthetic_strategy(direction):
    """Return the first style strategy that the run's methods use in a direction; None where none does."""
    strategies = [
        strategy_of(training_set_of(method, direction))[1] for method in METHODS
    ]
    return next((strategy for strategy in strategies if strategy), None)


def histories():
    """Return the training histories of the first seed, by name."""
    seed = SEEDS[0]
    paths = {}
    if any(synthetic_strategy(direction) for direction in DIRECTIONS):
        paths["disentangled"] = (
            f"results/{RUN}/seed-{seed}/translators/disentangled/history.tsv"
        )
    for direction in DIRECTIONS:
        for method in METHODS:
            if not cannot_train(method, direction):
                name = (
                    f"{training_set_of(method, direction)} {METHODS[method]['network']}"
                )
                paths[name] = segmenter_file(method, direction, seed, "history.tsv")
    return paths


def drawn_cases(direction):
    return scored_cases(direction)[:OVERLAY_CASES]


def drawn_methods(direction):
    return [row["method"] for row in scored_rows([direction], SEEDS[:1])]


def drawn_predictions(direction):
    """Return the masks of the drawn cases, method after method."""
    return [
        path
        for method in drawn_methods(direction)
        for path in predictions_of(method, direction, SEEDS[0], drawn_cases(direction))
    ]


def requested_tables():
    return [f"results/{RUN}/tables/summary.{suffix}" for suffix in ("tsv", "md")]


def requested_figures():
    """Return the figures for which the run has what they show."""
    figures = ["losses"] if histories() else []
    for direction in DIRECTIONS:
        if synthetic_strategy(direction):
            figures.append(f"translations-{direction}")
        if drawn_methods(direction):
            figures += [f"overlays-{direction}", f"dice-{direction}"]
    return [f"results/{RUN}/figures/{figure}.png" for figure in figures]


def unscored_predictions():
    """Return the masks that the run makes although no label can score them."""
    return [
        path
        for direction in DIRECTIONS
        if not scored_cases(direction)
        for method in METHODS
        if not cannot_train(method, direction)
        for seed in SEEDS
        for path in predictions_of(
            method, direction, seed, cases_of(target_of(direction), "test")
        )
    ]


def print_summary():
    """Print the summary table, if this call made or had one."""
    table = f"results/{RUN}/tables/summary.md"
    if os.path.isfile(table):
        with open(table, encoding="utf-8") as lines:
            print(lines.read())


read_config(config)

SHIPPED_CONFIG = read_values(load_configfile(str(SHIPPED / "config.yaml")))
TASK = read_task()
RUN = config["run"] or config["task"]
BUDGET = config["budget"] or TASK["budget"]
entry_of("budgets", BUDGET, "budget")
GRID = TASK.get("grids", {}).get(BUDGET, TASK["grid"])
DOMAINS = sorted(TASK["domains"])
STRUCTURES = list(TASK["labels"])
DIRECTIONS = read_directions()
METHODS = read_methods()
SEEDS = list(dict.fromkeys(config["seeds"]))
STRATEGIES = ("multi", "average")
CASES = read_cases()
GENERATED = [row for row in CASES if is_generated(row)]
check_cases()


wildcard_constraints:
    run=re.escape(RUN),
    seed=r"\d+",
    domain="|".join(DOMAINS),
    direction="|".join(f"{a}-to-{b}" for a, b in (DOMAINS, DOMAINS[::-1])),
    case=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
    method=r"[A-Za-z][A-Za-z0-9_]*",
    network=r"[A-Za-z][A-Za-z0-9_]*",
    strategy="|".join(STRATEGIES),
    training_set=r"[A-Za-z0-9-]+(\.disentangled-(multi|average))?",
