"""What of a config is not as its schema says."""

import math
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dar_uda.plan.merge import Values


def problems(values: Values, schema: Values) -> list[str]:
    """Return what is wrong with a config, a line each; nothing where it is as `schema` says."""
    return list(_odd_values(values)) or list(_schema_problems(values, schema))


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
