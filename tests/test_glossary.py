"""The table of all names has a row for every name of the project, and no other row."""

import argparse
import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from dar_uda.bundle import predict
from dar_uda.cli.arguments import parser
from dar_uda.data import cases_table, versions
from dar_uda.evaluation import calibration, calibration_table, differences, score, summary
from dar_uda.evaluation.quantities import METRICS
from dar_uda.plan.descriptions import stamped_choices
from dar_uda.plan.networks import PREDICTOR
from dar_uda.plan.renamed import names
from docs.glossary import PAGE, TITLES, page, schema_keys
from tests.plan.plans import CASES, plan_of

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "dar_uda"
SHIPPED = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
RULES = "\n".join(path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob("workflow/rules/*.smk")))
OUTPUTS = (REPOSITORY / "docs" / "outputs.md").read_text(encoding="utf-8")


def rows(kind):
    return [row.name for row in names() if row.kind == kind]


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def differing(found, kind):
    """Return which names of the project have no row, and which rows name nothing."""
    return {"no row": sorted(set(found) - {*rows(kind)}), "no name": sorted({*rows(kind)} - set(found))}


NONE = {"no row": [], "no name": []}


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_a_row_is_there_once_and_says_who_uses_the_name():
    assert len({row[:2] for row in names()}) == len(names())
    assert [row for row in names() if row.kind not in TITLES or not row.used_by] == []
    said_elsewhere = ("config key", "module")
    assert [row for row in names() if bool(row.meaning) == (row.kind in said_elsewhere)] == []


def test_no_name_of_before_is_in_use():
    assert [row for row in names() if row.before in rows(row.kind)] == []
    before = [(row.kind, row.before) for row in names() if row.before]
    assert len(set(before)) == len(before) > 50


def test_config_keys():
    assert differing([row.path for row in schema_keys()], "config key") == NONE


def test_config_values():
    found = [
        f"{row.path}: {value}"
        for row in schema_keys()
        for value in row.node.get("enum", [row.node["const"]] if "const" in row.node else [])
    ]
    assert differing(found, "config value") == NONE


@pytest.mark.parametrize(("kind", "key"), [("method", "method_definitions"), ("network", "networks")])
def test_methods_and_networks(kind, key):
    assert differing(SHIPPED[key], kind) == NONE


def test_rules():
    found = re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)", RULES, re.MULTILINE)
    assert differing(["all", *SHIPPED["tables"], *found], "rule") == NONE


def test_modules():
    found = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert differing(found, "module") == NONE


def subcommands():
    return next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)).choices


def test_commands():
    assert differing([f"dar-uda {name}" for name in subcommands()], "command") == NONE


def test_options():
    parsers = {"dar-uda": parser()} | {f"dar-uda {name}": of_one for name, of_one in subcommands().items()}
    found = [
        f"{name} {max(action.option_strings, key=len)}"
        for name, each in parsers.items()
        for action in each._actions
        if action.option_strings
    ]
    assert differing(found, "option") == NONE


def alternatives(path):
    """Return a path once for each choice of its braces, such as `a.{png,svg}`, every other wildcard as `{}`."""
    choice = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if choice:
        parts = choice[1].split(",")
        return [each for part in parts for each in alternatives(path[: choice.start()] + part + path[choice.end() :])]
    return [re.sub(r"\{[^{}]*\}", "{}", path).rstrip("/")]


def outputs_of_rules():
    """Return the patterns of the rules' outputs below `results/{run}/`, every wildcard as `{}`."""
    sections = re.findall(r"^ *output:\n((?:(?: {8}.*)?\n)+?) *log:", RULES, re.MULTILINE)
    patterns = re.findall(r'"results/\{+run\}+/([^"]+)"', "".join(sections))
    return {re.sub(r"\{+\w+\}+", "{}", pattern) for pattern in patterns}


def test_every_output_of_a_rule_has_a_row():
    listed = [each for name in rows("path") for each in alternatives(name)]
    outputs = outputs_of_rules()
    assert len(outputs) > 40
    assert sorted(one for one in outputs if not any(f"{each}/".startswith(f"{one}/") for each in listed)) == []


def test_a_path_that_is_no_output_is_on_the_page_of_outputs():
    outputs = outputs_of_rules()
    others = [
        name
        for name in rows("path")
        if not any(f"{each}/".startswith(f"{one}/") for each in alternatives(name) for one in outputs)
    ]
    assert len(others) < 15
    assert [name for name in others if name.rstrip("/").rpartition("/")[2] not in OUTPUTS] == []


def fits(one, other):
    """Return whether two parts of paths are alike where they have no wildcards."""
    return any(
        re.fullmatch(re.sub(r"\\\{[^{}]*\\\}|\\\*", ".*", re.escape(pattern)), part)
        for pattern, part in ((one, other), (other, one))
    )


def holds(row, path):
    """Return whether a path of the page, in which `...` stands for folders, is a row's, or folders of it."""
    parts = [part for part in path.split("/") if part not in ("...", "")]
    places = (row[at : at + len(parts)] for at in range(len(row) - len(parts) + 1))
    return any(all(map(fits, parts, place)) for place in places)


def test_every_path_of_the_page_of_outputs_has_a_row():
    first_table = re.findall(r"^\| (`.*?) \| ", OUTPUTS, re.MULTILINE)
    named = [
        path for cell in first_table for path in re.findall(r"`([^`]+)`", cell) if re.match(r"[^.].*[/.]|\.\.\.", path)
    ]
    assert len(named) > 40
    listed = [each.split("/") for name in rows("path") for each in alternatives(name)]
    found = [each for path in named for each in alternatives(path)]
    assert [path for path in found if not any(holds(row, path) for row in listed)] == []


def suffixes_of_trainings():
    """Return what the names of trainings end with, and the rules of the model selection."""
    tree = tree_of(PACKAGE / "plan" / "methods.py")
    literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in literals if re.fullmatch(r"-\w+", text)}


def test_what_the_names_of_trainings_end_with_has_rows():
    listed = re.findall(r"/\{network\}(-\w+)(?:\{iteration\})?/", "\n".join(rows("path")))
    values = [value.partition(": ") for value in rows("config value")]
    rules = {f"-{value}" for key, _, value in values if key == "model_selection.rule" and value != "last"}
    assert set(listed) == suffixes_of_trainings() | rules | {"-candidates"}


def keys_of(node):
    return {key.value for key in node.keys if isinstance(key, ast.Constant)}


def facts_of_a_bundle():
    """Return the dict literal of `bundle.json`, and the trees of the functions in its module by name."""
    tree = tree_of(PACKAGE / "bundle" / "export.py")
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return next(node.value for node in assigned if getattr(node.targets[0], "id", "") == "facts"), functions


def test_bundle_keys():
    facts, functions = facts_of_a_bundle()
    values = {key.value: value for key, value in zip(facts.keys, facts.values, strict=True)}
    run = next(node.value for node in ast.walk(functions["_run_of"]) if isinstance(node, ast.Return))
    copied = [node for node in ast.walk(values["preprocessing"]) if isinstance(node, ast.Tuple)]
    preprocessing = keys_of(values["preprocessing"]) | {name.value for node in copied for name in node.elts}
    found = [
        *values,
        *(f"run.{key}" for key in keys_of(run)),
        *(f"preprocessing.{key}" for key in preprocessing),
        *(f"inference.{key}" for key in {*SHIPPED["inference"], *PREDICTOR} - {"chunk_size"}),
        *(f"out_of_distribution.{field}" for field in fields_of_the_class(PACKAGE / "bundle" / "ood.py")),
    ]
    assert differing(found, "bundle key") == NONE


def fields_of_the_class(path):
    body = next(node for node in tree_of(path).body if isinstance(node, ast.ClassDef)).body
    return [node.target.id for node in body if isinstance(node, ast.AnnAssign)]


def literals_in(node):
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def name_of(target):
    return getattr(target, "id", "")


def declared_columns(path):
    """Return the columns that a module declares: constants, `columns=`, and what `assign` and `agg` add."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Assign) and name_of(node.targets[0]) in ("COLUMNS", "KEYS"):
            found |= literals_in(node.value)
        elif (
            isinstance(node, ast.Assign) and name_of(node.targets[0]) == "columns" and isinstance(node.value, ast.Dict)
        ):
            found |= keys_of(node.value)
        elif isinstance(node, ast.keyword) and node.arg == "columns" and isinstance(node.value, ast.List):
            found |= {each.value for each in node.value.elts if isinstance(each, ast.Constant)}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("assign", "agg"):
            found |= {each.arg for each in node.keywords if each.arg}
    return found


def reported_losses(path):
    """Return the names of the losses that a trainer yields, or collects in `losses` or `named`."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Dict):
            found |= keys_of(node.value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            found |= {key for each in node.value.elts if isinstance(each, ast.Dict) for key in keys_of(each)}
        elif isinstance(node, ast.Assign) and name_of(node.targets[0]) in ("losses", "named"):
            found |= keys_of(node.value) if isinstance(node.value, ast.Dict) else set()
        elif isinstance(node, ast.Assign) and name_of(node.targets[0]) == "OF_SCORES":
            found |= literals_in(node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            found |= literals_in(node.targets[0].slice) if name_of(node.targets[0].value) == "losses" else set()
    return found


def with_metric(column):
    """Return the pattern of a column that each metric has."""
    patterns = {f"{metric}_{name}": f"{{metric}}_{name}" for metric in METRICS for name in summary.OF_METRIC}
    return patterns.get(column, column)


SUMMARY = list(dict.fromkeys(map(with_metric, summary.COLUMNS)))
STAMPED = stamped_choices(plan_of().summary, plan_of().config, CASES)
FROM_ELSEWHERE = {
    *score.COLUMNS,
    *(*SUMMARY, *differences.COLUMNS, *STAMPED),
    *summary.MISSING,
    *("code_{n}", "{structure}", "step"),
    *("s", "max_rss", "cpu_time"),  # Snakemake's
}


def test_columns():
    """As sets: tests/workflow/test_names_of_a_run.py compares each table of a run."""
    writers = [path for path in PACKAGE.rglob("*.py") if "to_csv(" in path.read_text(encoding="utf-8")]
    writers.remove(PACKAGE / "evaluation" / "summary.py")
    writers += [PACKAGE / "data" / "cases_table.py", PACKAGE / "data" / "versions.py"]
    trainers = [path for path in PACKAGE.rglob("*.py") if "def update(self, step" in path.read_text(encoding="utf-8")]
    trainers.append(PACKAGE / "adaptation" / "cycada_translator.py")
    assert len(writers) > 8 and len(trainers) > 4
    found = {name for path in writers for name in declared_columns(path)}
    found |= {name for path in trainers for name in reported_losses(path)}
    listed = {name.rpartition(": ")[2] for name in rows("column")}
    assert (found - listed, listed - found - FROM_ELSEWHERE) == (set(), set())


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("cases table", cases_table.COLUMNS),
        ("versions.tsv", versions.COLUMNS),
        ("metrics/{direction}/{method}.tsv", score.COLUMNS),
        ("calibration/{direction}/{method}.tsv", calibration.COLUMNS),
        ("tables/calibration.tsv", [*calibration_table.COLUMNS, *STAMPED]),
        ("tables/{table}.tsv", [*SUMMARY, *summary.MISSING, *STAMPED]),
        ("tables/{table}-differences.tsv", [*differences.COLUMNS, *STAMPED]),
        ("FOLDER/volumes.tsv", predict.COLUMNS),
    ],
)
def test_the_columns_of_a_table_in_their_order(table, columns):
    assert [name.rpartition(": ")[2] for name in rows("column") if name.startswith(f"{table}: ")] == [*columns]
