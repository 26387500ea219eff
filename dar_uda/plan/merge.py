"""Nested values of several origins: one put over another, and what differs between two."""

import json
from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]


def merged(values: Values, *changes: Values) -> dict[str, Any]:
    """Return the nested `values` with each of `changes` put over them, the last on top."""
    both = dict(values)
    for change in changes:
        for key, value in change.items():
            nested = isinstance(both.get(key), Mapping) and isinstance(value, Mapping)
            both[key] = merged(both[key], value) if nested else value
    return both


def different(values: Values, others: Values) -> dict[str, Any]:
    """Return the nested `values` without those that `others` has too."""
    return {
        key: different(value, others[key])
        if isinstance(value, Mapping) and isinstance(others.get(key), Mapping)
        else value
        for key, value in values.items()
        if key not in others or value != others[key]
    }


def listed(values: Values, place: str) -> list[str]:
    """Return the nested `values` as lines `place.key value`."""
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += listed(value, f"{place}.{key}")
        else:
            lines.append(f"{place}.{key} {json.dumps(value)}")
    return lines
