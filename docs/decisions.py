"""Write docs/decisions.md from the table of trials: what decided over each part of the method."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import yaml

from benchmarks.ideas.paired import paired, read_cases_table
from docs.config_keys import REPOSITORY

PAGE = REPOSITORY / "docs" / "decisions.md"
DECISIONS: list[dict[str, Any]] = yaml.safe_load(PAGE.with_suffix(".yaml").read_text(encoding="utf-8"))
HEAD = """# What decided

<!-- Written by `make docs` from docs/decisions.yaml and benchmarks/ideas/measured/cases.tsv. Change the first. -->

Each table compares two variants of [the trials](../benchmarks/README.md#ideas), case by case: second minus first,
the mean Dice over structures, with its 95 % t interval over cases, which holds for these very trainings. All trials
but those of the phantom are transductive: every target case is in training without its label. Rows alike in direction
and seed are of other code, or of translators that were trained on a GPU. `other code`: first and second differ in it,
and mostly in the training of their translator too, which alone moves a mean (`bent`, mr-to-ct: 0.655, 0.690, 0.708).
"""
WHERE = {
    "abdomen": "abdomen",
    "abdomen_g": "abdomen, guided volumes",
    "abdomen_t2": "abdomen, translator without flips",
    "cardiac": "heart, slices of 8 mm",
    "cardiac_null": "heart",
    "cardiac_five": "heart, slices of 5 mm",
    "cardiac_crop": "heart, source cropped",
    "phantom": "phantom",
}
"""What the runs are called; others by their names."""


def page() -> str:
    """Return the text of the page."""
    rows = read_cases_table()
    return "\n".join([HEAD, *(line for decision in DECISIONS for line in _section(decision, rows))])


def _section(decision: Mapping[str, Any], rows: pd.DataFrame) -> Iterator[str]:
    yield from (f"## {decision['title']}", "", decision["text"], "")
    yield "| first | second | where | seed | second minus first | better in |"
    yield "|---|---|---|--:|--:|--:|"
    shown: set[tuple[Any, ...]] = set()
    for pair in decision["pairs"]:
        for found in paired(rows, *pair):
            key = *(re.sub("@[^:]*", "", name) for name in pair), found
            if key in shown:
                continue
            shown.add(key)
            interval = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
            names, run = " | ".join(f"`{name}`" for name in pair), WHERE.get(found.run, found.run)
            where = f"{run} {found.direction}{', other code' if found.other_code else ''}"
            yield f"| {names} | {where} | {found.seed} | {interval} | {found.better} of {found.cases} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
