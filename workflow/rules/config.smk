"""What the config asks for, checked."""

import json
import math
import re
from difflib import get_close_matches
from importlib.util import find_spec

import yaml
from jsonschema import Draft202012Validator
from snakemake.cli import parse_config
from snakemake.exceptions import WorkflowError

SCHEMA = HERE / "workflow" / "schemas" / "config.schema.yaml"
NAMES = (
    "task",
    "run",
    "cases",
    "budget",
    "protocol",
    "device",
    "precision",
    "checkpoint",
    "directions",
    "methods",
)


NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
ODD_NUMBER = re.compile(r"[-+]?0[0-9_]+$|.*:")

METHOD_BRANCHES = (
    "translation",
    "styles",
    "segmentation",
    "selection",
    "cyclegan",
    "synseg_net",
    "ada_output",
    "inference",
)


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
    for key in ("task", "run", "cases", "budget"):
        config[key] = as_written(key, config[key])
    problems = list(odd_values(config)) or list(schema_problems(config))
    if problems:
        files = ", ".join(map(str, workflow.overwrite_configfiles or []))
        raise WorkflowError("\n  ".join([f"Config {files}".rstrip() + ":", *problems]))


def as_written(key, value):
    """Return a name or path as the user wrote it, which YAML and Snakemake may take for a number, a date or a comment."""
    if value is None:
        return None
    files = [
        Path(path).read_text(encoding="utf-8")
        for path in workflow.overwrite_configfiles or []
    ]
    readings = [
        (yaml.safe_load(text), yaml.load(text, yaml.BaseLoader)) for text in files
    ]
    for entry in workflow.config_settings.config_args:
        name, _, text = entry.partition("=")
        readings.append((parse_config([entry]), {name: text.strip("'\"")}))
    written = [
        text[key]
        for read, text in readings
        if key in text
        and read.get(key) == value  # it stands there, not in what `<<` refers to
    ]
    return written[-1] if written and isinstance(written[-1], str) else value


def odd_values(value, place="config"):
    """Yield what no schema can say: keys that are no text, numbers that are none."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str):
                yield f"{place}: key {key!r} is no text; expected a name (YAML reads yes, no, on, off and digits otherwise: quote them)"
            yield from odd_values(entry, f"{place}.{key}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from odd_values(entry, f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} is {value}; expected a finite number"


def schema_problems(config):
    """Yield where the config is not as its schema says, a line each."""
    with open(SCHEMA, encoding="utf-8") as file:
        validator = Draft202012Validator(yaml.safe_load(file))
    for error in sorted(
        validator.iter_errors(config), key=lambda error: error.json_path
    ):
        place = error.json_path.replace("$", "config", 1)
        yield f"{place}: {error.message[:300]}{advice_on(error)}"


def advice_on(error):
    """Return what the schema says of the key, or which known key resembles an unknown one."""
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        near = [
            match
            for key in error.instance.keys() - known
            for match in get_close_matches(key, known, 1)
        ]
        return f"; did you mean {', '.join(sorted(near))}?" if near else ""
    named = error.validator == "type" and "string" in error.validator_value
    if named and not isinstance(error.instance, (dict, list)):
        return "; YAML takes it for a number, a date or a truth value: quote it"
    description = " ".join(error.schema.get("description", "").split()).split(". ")[0]
    return f" ({description})" if description and error.validator != "required" else ""


def check_files(paths):
    """Stop where YAML reads a user's config file otherwise than it looks, in silence."""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            tree = yaml.compose(file, yaml.SafeLoader)
        if problems := [*double_keys(tree), *odd_numbers(tree)]:
            raise WorkflowError(f"Config file {path}: {'; '.join(problems)}.")


def double_keys(node):
    if isinstance(node, yaml.MappingNode):
        lines = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if lines.setdefault(key.value, line) != line:
                yield f"key {key.value!r} stands in line {lines[key.value]} and in line {line}; expected once"
            yield from double_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from double_keys(entry)


def odd_numbers(node):
    """Yield the numbers that YAML reads with base 8 (010 as 8) or 60 (1:30 as 90), but for names, see `as_written`."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value not in NAMES:
                yield from odd_numbers(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from odd_numbers(entry)
    elif node is not None and node.tag in NUMBERS and ODD_NUMBER.match(node.value):
        yield (
            f"line {node.start_mark.line + 1}: YAML reads {node.value} as {yaml.safe_load(node.value)}: "
            "write a number in plain digits, a name in quotes"
        )


def entry_of(branch, name, what):
    """Return `config[branch][name]`; stop with the known names where there is none."""
    if name not in config[branch]:
        raise WorkflowError(
            f"Unknown {what} {name!r}; known: {', '.join(sorted(config[branch]))}."
        )
    return config[branch][name]


def merged(values, changes):
    """Return the nested `values` with `changes` put over them."""
    both = {**values, **changes}
    for key in values.keys() & changes.keys():
        if isinstance(values[key], dict) and isinstance(changes[key], dict):
            both[key] = merged(values[key], changes[key])
    return both


def method_values(branch):
    """Return a branch of the method: the shipped values, the budget's, the task's for this budget, the user's."""
    return merged(values_without_user(branch), changes_of_user(branch))


def values_without_user(branch):
    """Return the shipped values of a branch, with the budget's and the task's for this budget over them."""
    budget = entry_of("budgets", BUDGET, "budget")
    of_task = TASK.get("budgets", {}).get(BUDGET, {})
    values = SHIPPED_CONFIG[branch]
    for changes in (budget, of_task):
        values = merged(values, changes.get(branch, {}))
    return values


def changes_of_user(branch):
    """Return what the user writes of a branch; of a copy of the whole shipped one, as snakedeploy makes it, what differs."""
    written, shipped = read_values(USER_CONFIG).get(branch, {}), SHIPPED_CONFIG[branch]
    return different(written, shipped) if written.keys() >= shipped.keys() else written


def different(values, others):
    """Return the nested `values` without those that `others` has too."""
    return {
        key: (
            different(value, others[key])
            if isinstance(value, dict) and isinstance(others.get(key), dict)
            else value
        )
        for key, value in values.items()
        if key not in others or value != others[key]
    }


def changed_values():
    """Return what the user changes of the budget's values, as `branch.key value`."""
    changes = []
    for branch in METHOD_BRANCHES:
        before = values_without_user(branch)
        changes += listed(different(method_values(branch), before), branch)
    return changes


def listed(values, place):
    """Return the nested `values` as `place.key value`."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += listed(value, f"{place}.{key}")
        else:
            lines.append(f"{place}.{key} {json.dumps(value)}")
    return lines


def read_task():
    """Return the run's task, checked."""
    task = entry_of("tasks", config["task"], "task")
    if len(task["domains"]) != 2:
        raise WorkflowError(
            f"Task {config['task']} needs two domains, not {len(task['domains'])}: {', '.join(task['domains'])}."
        )
    for budget in {**task.get("grids", {}), **task.get("budgets", {})}:
        entry_of("budgets", budget, f"budget of task {config['task']}")
    for domain, entry in task["domains"].items():
        given = [key for key, value in entry["intensity"].items() if value is not None]
        if len(given) != 1:
            raise WorkflowError(
                f"Domain {domain} of task {config['task']} needs exactly one of window and percentile under intensity, "
                f"not {len(given)}; set the other to null."
            )
        window = entry["intensity"].get("window")
        if window and window[0] >= window[1]:
            raise WorkflowError(
                f"Domain {domain} of task {config['task']} has the window {window}; expected [low, high], low < high."
            )
        unknown = entry.get("labels", {}).keys() - task["labels"].keys()
        if unknown:
            raise WorkflowError(
                f"Domain {domain} has labels that task {config['task']} does not: {', '.join(sorted(unknown))}."
            )
        check_label_values(domain, {**task["labels"], **entry.get("labels", {})})
    return task


def listed_values(values):
    """Return the label values that an entry means: a number, a range such as "55-70", or a list of those."""
    listed = []
    for value in values if isinstance(values, list) else [values]:
        first, last = (
            map(int, value.split("-")) if isinstance(value, str) else (value, value)
        )
        if not first <= last <= 65535:
            raise WorkflowError(
                f"Label values {value!r}: expected a range from low to high, at most 65535, such as 55-70."
            )
        listed += range(first, last + 1)
    return listed


def check_label_values(domain, labels):
    """Stop where one label value stands for two structures."""
    owners = {}
    for structure, values in labels.items():
        for value in listed_values(values):
            if owners.setdefault(value, structure) != structure:
                raise WorkflowError(
                    f"Label value {value} of domain {domain} stands for {owners[value]} and {structure}; "
                    "expected one structure per value."
                )


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


def check_tensorboard():
    """Stop where TensorBoard is asked for and not installed."""
    if config["tensorboard"] and find_spec("tensorboard") is None:
        raise WorkflowError(
            "tensorboard is true, but its package is not installed: pip install -c constraints.txt -e '.[tensorboard]', or leave the key out."
        )


def check_protocol_and_region():
    """Stop where the task does not say what the paper's protocol is, or a region could be told from target labels."""
    protocols = [entry.get("paper_protocol") for entry in TASK["domains"].values()]
    if config["protocol"] == "paper" and not any(protocols):
        raise WorkflowError(
            f"Task {config['task']} does not say what protocol `paper` is: add `paper_protocol` to its domains, or take `clean`."
        )
    if GRID.get("region_margin") is None:
        return
    if GRID.get("body_width") is not None:
        raise WorkflowError(
            "A grid has `region_margin` or `body_width`, not both: set one to null."
        )
    if len(DIRECTIONS) > 1:
        raise WorkflowError(
            f"The grid's region comes from the source's labels; with the directions {', '.join(DIRECTIONS)} "
            "those of the target would count too. Run one direction at a time."
        )


def read_tables():
    """Return every table: the summary, and those that are targets of their own."""
    tables = {"summary": {"methods": config["methods"]}, **config["tables"]}
    if "summary" in config["tables"]:
        raise WorkflowError(
            "The table `summary` is that of `methods`: change those, or give the table another name."
        )
    return tables


def read_methods():
    """Return the definitions of the methods of all tables, checked."""
    methods = {
        name: entry_of("method_definitions", name, "method")
        for table in TABLES.values()
        for name in table["methods"]
    }
    for name, method in methods.items():
        entry_of("networks", method["network"], "network")
        if method.get("self_trained") and method["training_set"] in (
            "{source}",
            "{target}",
        ):
            raise WorkflowError(
                f"Method {name} is self_trained on {method['training_set']}; expected a synthetic training set, which "
                "names its target: take one, or leave self_trained out."
            )
    return methods


check_files(workflow.overwrite_configfiles or [])
read_config(config)
check_tensorboard()

SHIPPED_CONFIG = read_values(load_configfile(str(SHIPPED / "config.yaml")))
TASK = read_task()
RUN = config["run"] or config["task"]
BUDGET = config["budget"] or TASK["budget"]
entry_of("budgets", BUDGET, "budget")
GRID = TASK.get("grids", {}).get(BUDGET, TASK["grid"])
DOMAINS = sorted(TASK["domains"])
STRUCTURES = list(TASK["labels"])
DIRECTIONS = read_directions()
check_protocol_and_region()
TABLES = read_tables()
METHODS = read_methods()
SEEDS = list(dict.fromkeys(config["seeds"]))
TRANSLATIONS = ("disentangled-multi", "disentangled-average", "cyclegan-single")
TRAININGS_ON_BOTH = ("synseg_net", "ada_output")
