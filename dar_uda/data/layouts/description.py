"""The `dataset.json` of nnU-Net and of the Medical Segmentation Decathlon."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dar_uda.data.cases_table import DOMAIN


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's `dataset.json`.

    Raises:
        ValueError: The file is missing, or does not hold a JSON object.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise ValueError(f"DAR-254: {folder} has no dataset.json: give the folder of one dataset")
    try:
        description = json.loads(path.read_bytes())  # UTF-8 or UTF-16, with a byte order mark or without
    except (ValueError, RecursionError) as error:
        raise ValueError(f"DAR-254: {path} is not JSON: {error}") from error
    if not isinstance(description, dict):
        raise ValueError(f"DAR-254: {path}: found {type(description).__name__}, expected an object")
    return description


def domain_of(folder: Path, description: Mapping[str, Any]) -> str:
    """Return the letters and digits of the name of channel 0 (`channel_names`, or `modality` of older files).

    Raises:
        ValueError: It is not named, or has no name that a cases table takes for a domain.
    """
    channels = description.get("channel_names") or description.get("modality") or {}
    if not isinstance(channels, Mapping) or "0" not in channels:
        raise ValueError(f"DAR-255: {folder}/dataset.json names no channel 0: say the domain, as in ct={folder}")
    domain = re.sub(r"[^a-z0-9]", "", str(channels["0"]).lower())
    if not DOMAIN.fullmatch(domain):
        raise ValueError(
            f"DAR-255: {folder}/dataset.json calls channel 0 {str(channels['0'])[:60]!r}; a domain is up to 40 letters "
            f"and digits: say it, as in ct={folder}"
        )
    return domain


def describe_labels(description: Mapping[str, Any]) -> list[str]:
    """Return a remark with the label values of the file, name first (nnU-Net v2) or value first (others)."""
    labels = description.get("labels", {})
    named = [f"{name} {value}" for name, value in labels.items()] if isinstance(labels, Mapping) else []
    return [f"Labels in dataset.json: {', '.join(named)}. The task's `labels` must say these values."] if named else []


def listed_files(folder: Path, description: Mapping[str, Any], key: str) -> list[tuple[str, str | None]]:
    """Return image and label of every entry that a list of the file holds: an object with both, or an image's path.

    Raises:
        ValueError: It is no such list.
    """
    entries, listed = description.get(key, []), []
    for entry in entries if isinstance(entries, list) else [entries]:
        image, label = (entry.get("image"), entry.get("label")) if isinstance(entry, Mapping) else (entry, None)
        if not isinstance(image, str) or not isinstance(label, str | None):
            raise ValueError(
                f"DAR-254: {folder}/dataset.json: {key} holds {json.dumps(entry)[:80]}; expected a list of objects "
                "with the paths `image` and `label`, or of paths"
            )
        listed.append((image, label))
    return listed


def lies_within(path: Path, folder: Path) -> bool:
    """Return whether a path that a description names lies in its folder, where links lead too."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a link to itself, a name that no disk can have
        return False
