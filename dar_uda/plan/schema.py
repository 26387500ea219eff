"""What of a config is not as its schema says."""

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dar_uda.plan.merge import Values
from dar_uda.plan.renamed import names, renamed


def problems(values: Values, schema: Values) -> list[str]:
    """Return what is wrong with a config, a line each; nothing where it is as `schema` says.

    Names of earlier versions come alone: until they are replaced, the schema knows neither them nor what they hold.
    A method of the user's cannot have one: what redefines a shipped method under it would silently change nothing.
    """
    found = list(_odd_values(values)) or list(_schema_problems(values, schema)) or list(_old_methods(values))
    return found and ([*_old_names(values), *_old_methods(values)] or found)


def _odd_values(value: Any, place: str = "config") -> Iterator[str]:
    """Yield what a schema cannot check: keys other than texts, numbers other than finite ones."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str):
                yield (
                    f"{place}: key {key!r} is not text; expected a name (YAML reads yes, no, on, off and digits "
                    "otherwise: quote them)"
                )
            yield from _odd_values(entry, f"{place}.{key}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _odd_values(entry, f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} is {value}; expected a finite number"


def _old_names(values: Values, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the keys and values that have another name now; of a key that only holds others, these."""
    for key, value in values.items():
        place = (*path, str(key))
        below = list(_old_names(value, place)) if isinstance(value, Mapping) else []
        yield from below or _old_name(place, value)


def _old_methods(values: Values) -> Iterator[str]:
    """Yield the methods that the config defines by a name that a shipped method had."""
    methods = values["method_definitions"]
    for name in methods if isinstance(methods, Mapping) else ():
        if now := renamed("method", str(name)):
            yield f"method_definitions.{name} is now method_definitions.{now}"


def _old_name(path: tuple[str, ...], value: Any) -> Iterator[str]:
    """Yield how to write a key, or its value, that has another name now."""
    start = 2 if path[0] == "budgets" else 4 if path[0] == "tasks" and path[2:3] == ("budgets",) else 0
    key = ".".join(path[start:])  # a budget has the keys of the config
    now = renamed("config key", key) or _of_half_renamed(key)
    before = next((row.before for row in names() if row[:2] == ("config key", key) and row.before), key)
    value_now = renamed("config value", f"{before}: {value}")
    text = value_now.partition(": ")[2] if value_now else value if isinstance(value, str) else "..."
    if now:
        how = f"; write {_nested(now, text)}" if now.count(".") != key.count(".") else ""
        yield f"{'.'.join(path)} is now {'.'.join((*path[:start], now))}{how}"
    elif value_now and text != value:
        yield f"{'.'.join(path)}: {value} is now {text}"


def _of_half_renamed(key: str) -> str | None:
    """Return the present name of a key of which the branch has its present name and the last part not, or reversed."""
    rows = [row for row in names() if row.kind == "config key"]
    for row in rows if all(key != row.name for row in rows) else ():
        (branch, _, last), (branch_before, _, last_before) = row.name.rpartition("."), row.before.rpartition(".")
        if row.before and key in (f"{branch}.{last_before}", f"{branch_before}.{last}"):
            return row.name
    return None


def _nested(path: str, value: Any) -> str:
    """Return a dotted path and its value as YAML in one line."""
    first, *others = path.split(".")
    for key in reversed(others):
        value = f"{{{key}: {value}}}"
    return f"{first}: {value}"


def _schema_problems(values: Values, schema: Values) -> Iterator[str]:
    validator = Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(values), key=lambda error: error.json_path):
        place = error.json_path.replace("$", "config", 1)
        yield f"{place}: {error.message[:300]}{_advice_on(error)}"


def _advice_on(error: ValidationError) -> str:
    """Return what the schema says of the key, or which known key resembles an unknown one."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = schema.get("properties", {})
        near = [match for key in error.instance.keys() - known for match in get_close_matches(key, known, 1)]
        return f"; did you mean {', '.join(sorted(near))}?" if near else ""
    named = error.validator == "type" and "string" in str(error.validator_value)
    if named and not isinstance(error.instance, dict | list):
        return "; YAML takes it for a number, a date or a truth value: quote it"
    description = " ".join(schema.get("description", "").split()).split(". ")[0]
    return f" ({description})" if description and error.validator != "required" else ""
