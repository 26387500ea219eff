"""YAML texts that are short to write and endless to read: refused with the line, before they are written out."""

import resource

import pytest
import yaml

from dar_uda.plan.config import read_config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.written import MOST_NODES, problems_of_aliases, problems_of_file
from dar_uda.project.plan import plan_of
from tests.faults.limited import run_in_cpu_seconds
from tests.plan.configs import REPOSITORY

LAUGHS = "a0: &a0 [1, 1]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}\n" for k in range(1, 9))
ATTACKS = {
    "lists of lists": (LAUGHS, r"DAR-519: line 5: it holds more than 10000 values"),
    "merged mappings": (MERGED, r"DAR-519: line 5: it holds more than 10000 values"),
    "a list in itself": ("task: abdomen\nx: &a [1, *a]\n", "DAR-518: line 2: an alias lies within"),
    "a mapping in itself": ("x:\n  y: &a\n    z: {w: *a}\n", "DAR-518: line 2: an alias lies within"),
    "lines of brackets": ("x: " + "[\n" * 3000, "DAR-518: values lie within each other too deep, expected 50"),
    "braces that are not closed": ("{a: " * 3000, "DAR-518: values lie within each other too deep"),
    "dashes": ("- " * 3000 + "1", "DAR-518: values lie within each other too deep"),
    "brackets": ("x: " + "[" * 3000 + "]" * 3000, "DAR-518: values lie within each other too deep"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_aliases_that_have_no_end_are_refused_by_line_in_no_time(name, tmp_path):
    text, told = ATTACKS[name]
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(PlanError, match=f"Config file mine.yaml: {told}"):
        read_config(REPOSITORY, {}, {"mine.yaml": text})
    with pytest.raises(ValueError, match=f"task.yaml: {told}"):
        plan_of(text, tmp_path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 5
    assert after.ru_maxrss - before.ru_maxrss < 100 * 1024


@pytest.mark.parametrize("value", ["2001-99-99", "9" * 5000, "!!int a", "!!bool a", "!!timestamp a"])
def test_a_value_of_which_yaml_makes_none_is_refused_by_the_file(value, tmp_path):
    with pytest.raises(PlanError, match="Config file mine.yaml: DAR-524: YAML cannot read a value"):
        read_config(REPOSITORY, {}, {"mine.yaml": f"run: {value}\n"})
    with pytest.raises(ValueError, match="task.yaml: DAR-524: YAML cannot read a value"):
        plan_of(f"run: {value}\n", tmp_path)


@pytest.mark.parametrize("text", ["", "a", "[1]"])
def test_a_task_that_holds_no_keys_is_refused_by_the_file(text, tmp_path):
    with pytest.raises(ValueError, match="DAR-418: .*task.yaml is not YAML of keys and values"):
        plan_of(text, tmp_path)


def test_fifty_levels_are_read_and_one_more_is_not():
    text = "[" * 49 + "]" * 49
    assert problems_of_file(f"x: {text}") == [] == problems_of_file(f"x: {text}\ny: {text}")
    assert problems_of_file(f"x: [{text}]") == [
        "DAR-518: values lie within each other too deep, expected 50 levels at most: look for brackets or dashes"
    ]


def test_brackets_by_the_thousands_do_not_hold_the_process():
    refused = run_in_cpu_seconds(10, lambda: problems_of_aliases("x: " + "[" * 20_000 + "]" * 20_000))
    assert refused[0].startswith("DAR-518")


def test_anchors_that_people_use_are_read():
    text = "x: &a {low: 1, high: 2}\ny: {<<: *a, high: 3}\nz: [*a, *a]\n"
    assert problems_of_file(text) == []
    assert yaml.safe_load(text)["y"] == {"low": 1, "high": 3}


def test_as_many_values_as_are_allowed_are_read_and_one_more_is_not():
    """A list, the one anchored in it, and its aliases: 1 + 10 * (1 + 9) values and so on."""
    within = "[" + ", ".join("1" for _ in range(99)) + "]"  # 100 nodes
    whole = "[&a " + within + ", *a" * (MOST_NODES // 100 - 1) + "]"  # and the outer list
    assert problems_of_aliases(whole)[0].startswith("DAR-519: line 1")
    assert problems_of_aliases(whole.replace(", *a", "", 1)) == []
