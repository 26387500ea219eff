"""A training set as a dataset of nnU-Net that stands for itself: volumes, label maps and splits, to train elsewhere."""

import json
import logging
import os
import re
import shutil
from pathlib import Path

from dar_uda.jobs.files import check_writable, staging
from dar_uda.jobs.permissions import no_wider_than
from dar_uda.nnunet.dataset import located

logger = logging.getLogger(__name__)
NAME = re.compile(r"Dataset\d{3}_\w+")
SPLITS = "splits_final.json"


def export_dataset(dataset: str | Path, output: str | Path) -> None:
    """Write `dataset.json`, `imagesTr/`, `labelsTr/` and `splits_final.json`, as nnU-Net reads them.

    Args:
        dataset: Folder `results/{run}/seed-{seed}/nnunet/{training_set}` of a run.
        output: Folder to write, such as `Dataset501_Abdomen`; it must not exist.

    Raises:
        FileNotFoundError: The dataset, or a volume that it names, is not there.
        FileExistsError: The output is.
        ValueError: nnU-Net does not take a dataset of this name.
    """
    output = Path(output)
    described, splits = Path(dataset) / "dataset.json", Path(dataset) / SPLITS
    if not described.exists():
        raise FileNotFoundError(
            f"DAR-335: {described} does not exist; expected results/RUN/seed-SEED/nnunet/TRAINING_SET, such as "
            "results/phantom/seed-0/nnunet/ct-to-mr.disentangled-multi: make it by `snakemake "
            "results/RUN/seed-SEED/nnunet/TRAINING_SET/dataset.json` with the options of the run"
        )
    if not NAME.fullmatch(output.name):
        raise ValueError(
            f"DAR-336: {output}: nnU-Net wants a name such as Dataset501_Abdomen: give another one with -o"
        )
    if os.path.lexists(output):
        raise FileExistsError(f"DAR-304: {output} exists; expected a new folder")
    content = located(described)
    entries = content.pop("dataset")
    files = [file for entry in entries.values() for file in (*entry["images"], entry["label"])]
    if missing := [file for file in files if not Path(file).exists()]:
        raise FileNotFoundError(
            f"DAR-302: {missing[0]} does not exist; expected the whole run: copy or move all of its folder"
        )
    check_writable(output.parent)
    with no_wider_than(files, output.parent), staging(output.parent) as partial:
        folder = partial / output.name
        for name in ("imagesTr", "labelsTr"):
            (folder / name).mkdir(parents=True)
        for name, entry in entries.items():
            shutil.copyfile(entry["images"][0], folder / "imagesTr" / f"{name}_0000.nii")
            shutil.copyfile(entry["label"], folder / "labelsTr" / f"{name}.nii")
        (folder / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(splits, folder / SPLITS)
        folder.rename(output)
    logger.info("Written: %s", output)
    logger.info("Once nnU-Net has planned it, copy its %s into nnUNet_preprocessed/%s", SPLITS, output.name)
