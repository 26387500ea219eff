"""Cells of tables: a value, how it is written, its interval and its mark. Pages and the report lay them out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

SCORE = "{:.3f}".format
SIGNED = "{:+.3f}".format
MILLIMETERS = "{:.2f}".format
COUNT = "{:.0f}".format
PERCENT = "{:.0%}".format


def millions(count: float) -> str:
    """Return a count in millions: `1.23 M`."""
    return f"{count / 1e6:.2f} M"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        value: Words or a number; a page sorts by it. None or NaN where there is none.
        form: Writes the value, and the ends of its interval.
        interval: Low and high end; NaN, or empty, where there is none.
        is_best: Whether it is marked as the best of its column, or one that does not differ from the best.
        note: Words that the report shows below the value, behind the interval.
    """

    value: Any
    form: Callable[[Any], str] = str
    interval: Sequence[float] = ()
    is_best: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """The value as it is written; empty where there is none."""
        return "" if pd.isna(self.value) else self.form(self.value)

    @property
    def limits(self) -> list[str]:
        """The ends of the interval as they are written; empty where there is none."""
        return [self.form(end) for end in self.interval if not pd.isna(end)]


@dataclass(frozen=True)
class Table:
    """Rows of cells below a title and a header, remarks below them; the first column names the rows."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    remarks: Sequence[str] = ()
