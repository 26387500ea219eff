"""The volumes of the kit, on the network grid: packed without loss, and unpacked for a stage."""

import math
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dar_uda.preprocessing.slices import extract_slices

TEST_FRACTION = 0.25


@dataclass(frozen=True)
class Split:
    """Labeled volumes of a domain; the last quarter of its cases are for the test."""

    images: list[Path]
    labels: list[Path]
    test_images: list[Path]
    test_labels: list[Path]


def pack(cases: Path, packed: Path) -> int:
    """Pack `{domain}/{case}/image.nii` and `label.nii` of every labeled case; return how many there are.

    Raises:
        FileNotFoundError: There is none.
    """
    labels = sorted(cases.glob("*/*/label.nii"))
    if not labels:
        raise FileNotFoundError(f"{cases}: found no {{domain}}/{{case}}/label.nii; expected a run's folder `cases`")
    with tarfile.open(packed, "w:xz") as archive:
        for label in labels:
            for file in (label.with_name("image.nii"), label):
                archive.add(file, file.relative_to(cases))
    return len(labels)


def unpacked(packed: Path, scratch: Path) -> Path:
    """Return the folder of the packed cases; a run unpacks them once."""
    folder = scratch / packed.name.partition(".")[0]
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        with tarfile.open(packed) as archive:
            archive.extractall(partial, filter="data")
        partial.rename(folder)
    return folder


def split_of(cases: Path, domain: str) -> Split:
    """Return a domain's volumes."""
    images = sorted((cases / domain).glob("*/image.nii"))
    labels = [image.with_name("label.nii") for image in images]
    train = len(images) - max(1, math.ceil(TEST_FRACTION * len(images)))
    return Split(images[:train], labels[:train], images[train:], labels[train:])


def domains_of(cases: Path) -> tuple[str, str]:
    """Return the names of the source and of the target, in alphabetical order: ct, mr."""
    source, target = sorted(folder.name for folder in cases.iterdir() if folder.is_dir())
    return source, target


def stacks_of(cases: Path, domains: Iterable[str], folder: Path) -> list[Path]:
    """Write the training slices of each domain and return their files."""
    stacks = []
    for domain in domains:
        images = split_of(cases, domain).images
        stacks.append(folder / f"{domain}.npy")
        extract_slices(images, [image.parent.name for image in images], stacks[-1], folder / f"{domain}.tsv")
    return stacks
