"""A training by nnU-Net: dataset, plans and weights in a working folder, which a killed job finds again."""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dar_uda.jobs.checkpoints import checkpoints_of
from dar_uda.jobs.files import locked, write_beside
from dar_uda.nnunet.commands import (
    CHECKPOINT,
    DATASET,
    folders_of,
    plan_command,
    planning_variables,
    train_command,
    trained_folder,
    training_variables,
    visible_gpu,
)
from dar_uda.nnunet.dataset import located
from dar_uda.nnunet.run import Epochs, run, versions_of
from dar_uda.training.checkpoint import identity_of, is_whole
from dar_uda.training.device import lease_devices

logger = logging.getLogger(__name__)
KEPT = ("plans.json", "dataset.json", f"fold_all/{CHECKPOINT}")
"""What of a trained folder predicts."""


def train_nnunet(
    dataset: str | Path,
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    model: str | Path,
    history: str | Path,
    usage: str | Path,
    nnunet: Mapping[str, Any],
    seed: int,
    code: str,
    python: str,
    device: str,
    threads: int,
) -> dict[str, str]:
    """Plan, preprocess and train; a job that was killed goes on from its last epoch.

    Returns the versions of the packages that did so.
    Who runs the job removes the working folder when all is written, see `remove_checkpoints`.

    Args:
        dataset: JSON of `write_dataset`, which names the next two.
        images, labels: The files of the training set, whose contents count.
        model: Output folder, with which `nnUNetv2_predict_from_modelfolder -f all` predicts.
        history: Output TSV, `step loss`, a row per epoch.
        usage: Output JSON, as `write_training_usage` writes it.
        nnunet: The branch of the config.
        seed: Of the initial weights; nnU-Net draws its patches without one.
        code: Version of the code; a working folder of another version is not used.
        python: The interpreter that has nnU-Net.

    Raises:
        FileNotFoundError, RuntimeError: See `versions_of` and `run`.
    """
    versions, gpu = versions_of(python), visible_gpu(lease_devices(device)[0])
    where, work = "cpu" if gpu is None else "cuda", checkpoints_of(history)
    choices = {"nnunet": nnunet, "seed": seed, "code": code, "device": where, "versions": versions}
    logger.info("nnU-Net and torch: %s, on %s", versions, where)
    work.mkdir(parents=True, exist_ok=True)
    with locked(work / "lock"):
        _begin(work, identity_of(choices, [dataset, *images, *labels]))
        planner, folders = nnunet["planner"], folders_of(work)
        if not (work / "planned").exists():
            shutil.rmtree(work / "preprocessed", ignore_errors=True)  # nnU-Net goes on with files cut short
            _write(work / "raw" / DATASET / "dataset.json", json.dumps(located(dataset)))
            run(plan_command(python, planner, threads), planning_variables(threads) | folders)
            (work / "planned").touch()
        told = {"EPOCHS": nnunet["epochs"], "ITERATIONS": nnunet["iterations_per_epoch"], "SEED": seed}
        environment = training_variables(threads, gpu) | folders | {f"DAR_UDA_{k}": str(v) for k, v in told.items()}
        _remove_damaged(trained_folder(work, planner))
        run(train_command(python, planner, where), environment, Epochs(nnunet["epochs"]))
        _keep(trained_folder(work, planner), Path(model), history, usage)
    return versions


def _begin(work: Path, identity: str) -> None:
    """Empty a working folder that belongs to another training."""
    mark = work / "identity"
    if mark.exists() and mark.read_text(encoding="utf-8") == identity:
        logger.info("goes on in %s", work)
        return
    if mark.exists():
        logger.info("DAR-231: %s was made with other settings, code or inputs: it is emptied", work)
    for old in work.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        elif old.name != "lock":
            old.unlink()
    _write(mark, identity)


def _remove_damaged(trained: Path) -> None:
    """Remove checkpoints that were cut short, as by a power cut: nnU-Net would fail by one every time."""
    for path in (trained / "fold_all").glob("checkpoint_*.pth"):
        if not is_whole(path):
            logger.warning("DAR-227: %s is damaged: starting anew", path)
            path.unlink()


def _keep(trained: Path, model: Path, history: str | Path, usage: str | Path) -> None:
    """Copy what predicts, and what the training reports, to the outputs."""
    for name in KEPT:
        _copy(trained / name, model / name)
    _copy(trained / "fold_all" / "history.tsv", Path(history))
    _copy(trained / "fold_all" / "usage.json", Path(usage))


def _copy(source: Path, path: Path) -> None:
    with write_beside(path) as partial:
        try:
            os.link(source, partial)  # the weights take their space once; the working folder goes
        except OSError:
            shutil.copyfile(source, partial)


def _write(path: Path, text: str) -> None:
    with write_beside(path) as partial:
        partial.write_text(text, encoding="utf-8")
