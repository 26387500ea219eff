"""The names of the values in label files: from an option, `dataset.json`, or a label description beside the labels."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from dar_uda.data.layouts.description import read_description

ITK_SNAP = re.compile(r"^\s*(\d+)\s+\d+\s+\d+\s+\d+\s+\S+\s+\d+\s+\d+\s+\"(.*)\"\s*$", re.MULTILINE)
"""A line of ITK-SNAP's label description: value, color, opacity, visibility, mesh, name."""
BACKGROUND = ("background", "clear label")
Values = dict[str, list[int]]


def read_names(folder: Path) -> tuple[Values, str]:
    """Return the structures that a folder describes with their values, and in which file; neither if there is none.

    Read are `dataset.json` of nnU-Net and of the Medical Segmentation Decathlon, a table with the columns `index` and
    `name` as BIDS has it (`dseg.tsv`), and ITK-SNAP's label description (`.txt` or `.label`).
    """
    if (folder / "dataset.json").is_file():
        return _of_dataset(read_description(folder).get("labels")), "dataset.json"
    for path in sorted([*folder.glob("*dseg.tsv"), *folder.glob("derivatives/*dseg.tsv")]):
        if values := _of_table(path):
            return values, path.name
    for path in sorted([*folder.glob("*.txt"), *folder.glob("*.label")]):
        found = {int(value): name for value, name in ITK_SNAP.findall(path.read_text("utf-8", "replace"))}
        if found:
            return _by_structure(found), path.name
    return {}, ""


def _of_dataset(labels: object) -> Values:
    """Return the values of `labels`, name first (nnU-Net v2, also regions of several values) or value first."""
    if not isinstance(labels, Mapping):
        return {}
    if all(str(key).isdecimal() for key in labels):
        return _by_structure({int(value): str(name) for value, name in labels.items()})
    values = {_structure(str(name)): value if isinstance(value, list) else [value] for name, value in labels.items()}
    whole = {name: [int(value) for value in own] for name, own in values.items() if name not in BACKGROUND}
    return {name: own for name, own in whole.items() if 0 not in own}


def _of_table(path: Path) -> Values:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return _by_structure(
        {int(row["index"]): row["name"] for row in rows if (row.get("index") or "").isdecimal() and row.get("name")}
    )


def _by_structure(names: Mapping[int, str]) -> Values:
    values: Values = {}
    for value, name in names.items():
        if value and name.lower() not in BACKGROUND:
            values.setdefault(_structure(name), []).append(value)
    return values


def _structure(name: str) -> str:
    """Return a name as a task takes it: letters, digits, `_` and `-`, a letter first."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name.strip()).strip("_-").lower()
    return plain if plain[:1].isalpha() else f"structure_{plain}"
