"""Masks as BIDS derivatives: their names, what describes them, and the dataset that they are."""

import json
import os
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from dar_uda.bundle.image_output import LABEL_MAP, PROBABILITIES, SIDECAR, SLICER, ImageOutput
from dar_uda.data.given_images import name_of
from dar_uda.figures.style import COLORS_ON_IMAGES, color_of
from dar_uda.jobs.files import write_beside

VERSION = "1.10.0"
NAME = re.compile(r"sub-[a-zA-Z0-9]+(_[a-zA-Z]+-[a-zA-Z0-9+]+)*_[a-zA-Z0-9]+")
BEHIND = ("res", "den", "label", "desc")
"""Entities that come after `seg` in a name."""
DESCRIPTION = "dataset_description.json"
IGNORED = "/volumes.tsv\n/expected_dice.tsv\n*.seg.nrrd\n"
"""What BIDS has no name for."""


class BidsOutput(ImageOutput):
    """The files of one scan in a dataset of BIDS derivatives.

    Attributes:
        root: The dataset of the scan; None where its folders are not those of BIDS.

    Raises:
        ValueError: The scan's name is not one of BIDS.
    """

    def __init__(self, folder: Path, scan: Path, facts: dict[str, Any], slicer: bool = False) -> None:
        name = name_of(scan)
        if not NAME.fullmatch(name):
            raise ValueError(
                f"DAR-463: {scan}: --bids expected a scan's name such as sub-01_ses-2_T2w.nii.gz; rename the scan, or "
                "leave out --bids"
            )
        *entities, _ = name.split("_")
        place = next((i for i, each in enumerate(entities) if each.partition("-")[0] in BEHIND), len(entities))
        stem = "_".join([*entities[:place], f"seg-{label_of(facts['method'])}", *entities[place:]])
        levels = [each for each in entities[:2] if each.startswith(("sub-", "ses-"))]
        within = scan.resolve().parts[-2 - len(levels) : -2] == tuple(levels)
        into = folder.joinpath(*levels, scan.resolve().parent.name if within else "anat")
        super().__init__(into, f"{stem}_dseg", slicer)
        self.root = scan.resolve().parents[1 + len(levels)] if within else None
        self.extras = {
            PROBABILITIES: into / f"{stem}_probseg.nii.gz",
            LABEL_MAP: into / f"{stem}_probseg.json",
            SIDECAR: into / f"{stem}_dseg.json",
            SLICER: into / f"{stem}_dseg.seg.nrrd",
        }
        said = {"Description": f"Mask by DAR-UDA, method {facts['method']}, {facts['direction']}", "Manual": False}
        if self.root:
            said["Sources"] = [f"bids:raw:{scan.resolve().relative_to(self.root).as_posix()}"]
        labels = {"LabelMap": ["background", *facts["structures"]]}
        self.texts = {SIDECAR: json.dumps(said, indent=1) + "\n", LABEL_MAP: json.dumps(said | labels, indent=1) + "\n"}


def label_of(method: str) -> str:
    """Return a method's name as BIDS allows it: letters and digits."""
    return re.sub("[^a-zA-Z0-9]", "", method)


def bids_outputs(folder: Path, scans: Sequence[Path], facts: dict[str, Any], slicer: bool = False) -> list[BidsOutput]:
    """Return the outputs of scans of one BIDS dataset.

    Raises:
        ValueError: A name is not one of BIDS, two scans would have one mask, the scans are of several datasets, or the
            folder is another dataset than that of their masks.
    """
    outputs = [BidsOutput(folder, scan, facts, slicer) for scan in scans]
    of_mask: dict[Path, Path] = {}
    for scan, output in zip(scans, outputs, strict=True):
        if (other := of_mask.setdefault(output.mask, scan)) != scan:
            raise ValueError(
                f"DAR-464: {other} and {scan} would both become {output.mask.name}, which has no suffix such as T1w; "
                "give them apart, each its own -o"
            )
    if len(roots := {output.root for output in outputs}) > 1:
        found = ", ".join(sorted(str(root or "no dataset") for root in roots))
        raise ValueError(f"DAR-465: The scans are of {found}; expected one BIDS dataset: give each its own -o")
    _check_dataset(folder, outputs)
    return outputs


def _check_dataset(folder: Path, outputs: Sequence[BidsOutput]) -> None:
    for name, text in _texts(folder, outputs).items():
        path = folder / name
        if path.exists() and path.read_bytes() != text.encode():
            raise ValueError(
                f"DAR-466: {path} exists, and is not that of this version's masks of these scans' dataset: give "
                "another folder with -o, such as derivatives/dar_uda, or delete that file"
            )


def write_dataset(folder: Path, outputs: Sequence[BidsOutput], facts: dict[str, Any]) -> None:
    """Write what BIDS wants to know of a dataset of masks, and the names of the values in them."""
    for name, text in _texts(folder, outputs).items():
        with write_beside(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
    colors = ["#000000", *(color_of(index, COLORS_ON_IMAGES) for index in range(len(facts["structures"])))]
    names = ["background", *facts["structures"]]
    table = pd.DataFrame({"index": range(len(names)), "name": names, "color": colors})
    with write_beside(folder / f"seg-{label_of(facts['method'])}_dseg.tsv") as partial:
        table.to_csv(partial, sep="\t", index=False)


def _texts(folder: Path, outputs: Sequence[BidsOutput]) -> dict[str, str]:
    return {DESCRIPTION: json.dumps(_description(folder, outputs), indent=1) + "\n", ".bidsignore": IGNORED}


def _description(folder: Path, outputs: Sequence[BidsOutput]) -> dict[str, Any]:
    root = outputs[0].root
    links = {"DatasetLinks": {"raw": Path(os.path.relpath(root, folder.resolve())).as_posix()}} if root else {}
    return {
        "Name": "Masks by DAR-UDA",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "DAR-UDA", "Version": version("dar-uda")}],
        **links,
    }
