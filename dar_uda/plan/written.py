"""A config as the user wrote it: names as they stand there, and what YAML reads otherwise than it looks."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from dar_uda.plan.merge import Values

NAMES = ("task", "run", "cases", "budget", "protocol", "device", "precision", "directions", "methods")
"""Keys whose values are names, never numbers."""

KEPT = ("task", "run", "cases", "budget")
"""Names that a run keeps as they are written."""

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
ODD_NUMBER = re.compile(r"[-+]?0[0-9_]+$|.*:")


MOST_NODES, MOST_LEVELS = 10_000, 50
"""Of a YAML text: keys and values, and those within each other; the shipped files have some hundred, and seven."""
OPENING = (
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
)
CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


class Reading(NamedTuple):
    """A config file or an entry of `--config`: its values, and the same as text."""

    values: Values
    texts: Values


def read_file(text: str) -> Reading:
    """Return the reading of a config file's text."""
    texts = yaml.load(text, yaml.BaseLoader)  # nosec B506 # this loader makes text of all
    return Reading(yaml.safe_load(text) or {}, texts or {})


def read_entry(entry: str, values: Values) -> Reading:
    """Return the reading of an entry `name=text` of `--config`, from which Snakemake has read `values`."""
    name, _, text = entry.partition("=")
    return Reading(values, {name: text.strip("'\"")})


def as_written(key: str, value: Any, readings: Sequence[Reading]) -> Any:
    """Return a name or path as the user wrote it; YAML and Snakemake may take it for a number, a date or a comment."""
    written = [
        texts[key]
        for values, texts in readings
        if key in texts and values.get(key) == value  # it is written there, not in what `<<` refers to
    ]
    return written[-1] if value is not None and written and isinstance(written[-1], str) else value


def read_values(value: Any) -> Any:
    """Return `value` with strings of --config such as "7200" or "true" as what they mean; 1e4 is an integer."""
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


def problems_of_file(text: str) -> list[str]:
    """Return where YAML reads a config file otherwise than it looks, in silence."""
    if found := problems_of_aliases(text) or problems_of_values(text):
        return found
    tree = yaml.compose(text, yaml.SafeLoader)
    return [*_double_keys(tree), *_odd_numbers(tree)]


def problems_of_aliases(text: str) -> list[str]:
    """Return what makes a YAML text endless, or far larger than it is written: to be asked before it is read.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    if _is_deep(text):
        return [
            f"DAR-518: values lie within each other too deep, expected {MOST_LEVELS} levels at most: look for brackets "
            "or dashes"
        ]
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        if tree is not None:
            _written_out(tree, {})
    except _AliasError as error:
        return [str(error)]
    return []


def problems_of_values(text: str) -> list[str]:
    """Return what no reader of YAML can make a value of: dates such as 2001-99-99, numbers of thousands of digits."""
    try:
        yaml.safe_load(text)
    except yaml.YAMLError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # whatever PyYAML's constructors raise
        return [f"DAR-524: YAML cannot read a value ({str(error)[:200]}): write it in quotes, or correct it"]
    return []


def _is_deep(text: str) -> bool:
    """Return whether values lie within each other deeper than any config needs; PyYAML takes long for such.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    levels = 0
    for token in yaml.scan(text, yaml.SafeLoader):
        levels += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if levels > MOST_LEVELS:
            return True
    return False


class _AliasError(ValueError):
    """What aliases do that no config needs."""


def _written_out(node: yaml.Node, sizes: dict[int, int | None]) -> int:
    """Return how many nodes a node has when each alias is written out; each is visited once.

    Args:
        sizes: Of the nodes by `id`, None where a node is not done: it lies in itself then.
    """
    if id(node) in sizes and (size := sizes[id(node)]) is not None:
        return size
    line = node.start_mark.line + 1
    if id(node) in sizes:
        raise _AliasError(f"DAR-518: line {line}: an alias lies within what it refers to; expected another value there")
    sizes[id(node)] = None
    parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    size = 1 + sum(_written_out(part, sizes) for part in parts) if isinstance(node, yaml.CollectionNode) else 1
    if size > MOST_NODES:
        raise _AliasError(
            f"DAR-519: line {line}: it holds more than {MOST_NODES} values when each alias is written out; expected "
            "fewer: write what is meant"
        )
    sizes[id(node)] = size
    return size


def _double_keys(node: yaml.Node | None) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if lines.setdefault(key.value, line) != line:
                yield f"DAR-002: key {key.value!r} is in line {lines[key.value]} and in line {line}; expected once"
            yield from _double_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _double_keys(entry)


def _odd_numbers(node: yaml.Node | None) -> Iterator[str]:
    """Yield the numbers that YAML reads with base 8 (010 as 8) or 60 (1:30 as 90), but for names, see `as_written`."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value not in NAMES:
                yield from _odd_numbers(value)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _odd_numbers(entry)
    elif node is not None and node.tag in NUMBERS and ODD_NUMBER.match(node.value):
        yield (
            f"DAR-003: line {node.start_mark.line + 1}: YAML reads {node.value} as {yaml.safe_load(node.value)}: "
            "write a number in plain digits, a name in quotes"
        )
