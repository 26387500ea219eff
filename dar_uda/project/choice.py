"""A value that `dar-uda init` chose, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Choice:
    """A value of the task and the reason for it, which becomes its comment.

    Attributes:
        changes: What it changes of the budget's values, by branch, beside its own value.
    """

    value: Any
    reason: str
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


def listed_numbers(numbers: Sequence[float]) -> str:
    """Return the least and the largest of some numbers, as in `4 to 7`; one number where they are one."""
    low, high = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
    return low if low == high else f"{low} to {high}"
