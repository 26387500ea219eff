"""A training set as nnU-Net reads it: which volume has which label map, and which volumes stay together in a split."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dar_uda.jobs.files import write_beside

FOLDS = 5
"""As many as nnU-Net's own cross-validation has."""
CHANNELS = {"0": "zScore"}
"""Volumes are in [0, 1], real CT too: nnU-Net must not take them for Hounsfield units, as it does a channel `CT`."""


def write_dataset(
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    cases: Sequence[str],
    patients: Sequence[str],
    structures: Sequence[str],
    dataset: str | Path,
    splits: str | Path,
) -> None:
    """Write nnU-Net's `dataset.json`, which names volumes where they lie, and `splits_final.json`.

    Args:
        images: Volumes on the network grid, those of a case one after another: as many of each case.
        labels: The label map of every volume.
        cases: The labeled cases.
        patients: The patient of every case.
        structures: Names of the classes 1..K.
        dataset: Output; paths in it count from its folder, see `located`.
        splits: Output, see `grouped_splits`.
    """
    folder, copies = Path(dataset).parent, len(images) // len(cases)
    names = [name_of(case, image) for case, image in zip(repeated(cases, copies), images, strict=True)]
    entries = {
        name: {"images": [os.path.relpath(image, folder)], "label": os.path.relpath(label, folder)}
        for name, image, label in zip(names, images, labels, strict=True)
    }
    _write(dataset, {**header_of(structures, len(entries)), "dataset": entries})
    _write(splits, grouped_splits(dict(zip(names, repeated(patients, copies), strict=True))))


def header_of(structures: Sequence[str], volumes: int) -> dict[str, Any]:
    """Return what nnU-Net wants to know of a dataset, but for its files.

    Raises:
        ValueError: A structure has a name to which nnU-Net gives a meaning.
    """
    if "ignore" in structures:
        raise ValueError(
            "DAR-361: The structure `ignore`: voxels with a label of this name are left out of nnU-Net's training; "
            "expected another name: change it in the task's structures."
        )
    labels = {"background": 0, **{name: label for label, name in enumerate(structures, start=1)}}
    return {"channel_names": CHANNELS, "labels": labels, "numTraining": volumes, "file_ending": ".nii"}


def name_of(case: str, image: str | Path) -> str:
    """Return a volume's name in the dataset, such as `ct01-style-0`, for a real one `ct01-image`: no two are alike."""
    return f"{case}-{Path(image).stem}"


def repeated(names: Sequence[str], copies: int) -> Iterator[str]:
    """Yield each name as often as its case has volumes."""
    return (name for name in names for _ in range(copies))


def grouped_splits(patients: Mapping[str, str]) -> list[dict[str, list[str]]]:
    """Return training and validation volumes of every fold: all volumes of a patient are on one side.

    There are five folds, or as many as there are patients, who take turns in the order of the dataset; none for one
    patient alone.

    Args:
        patients: The patient of every volume.
    """
    distinct = list(dict.fromkeys(patients.values()))
    count = min(FOLDS, len(distinct))
    fold_of = {patient: place % count for place, patient in enumerate(distinct)}
    return [
        {
            "train": [name for name, patient in patients.items() if fold_of[patient] != fold],
            "val": [name for name, patient in patients.items() if fold_of[patient] == fold],
        }
        for fold in range(count if count > 1 else 0)
    ]


def located(dataset: str | Path) -> dict[str, Any]:
    """Return a `dataset.json` of `write_dataset` with absolute paths, as it can stand in another folder.

    Raises:
        ValueError: nnU-Net would read other paths: it puts the values of environment variables in place of their names.
    """
    folder = Path(dataset).absolute().parent
    if os.path.expandvars(folder) != str(folder):
        raise ValueError(
            f"DAR-362: {folder}: nnU-Net reads `$NAME` in paths as an environment variable, and one of this name is "
            "set; expected a folder without it: run in another one, or unset the variable."
        )
    content: dict[str, Any] = json.loads(Path(dataset).read_text(encoding="utf-8"))
    for entry in content["dataset"].values():
        entry["images"] = [os.path.normpath(folder / image) for image in entry["images"]]
        entry["label"] = os.path.normpath(folder / entry["label"])
    return content


def _write(path: str | Path, content: Any) -> None:
    with write_beside(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
