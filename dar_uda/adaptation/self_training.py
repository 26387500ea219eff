"""A further round of training on the segmenter's own masks of the target beside the synthetic volumes."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dar_uda.segmentation.networks import load_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.randomisation import Randomisation
from dar_uda.segmentation.train import SegmenterTrainer
from dar_uda.training.checkpoint import CheckpointFolder, identity_of
from dar_uda.training.device import choose_precision, prepare_device
from dar_uda.training.loop import run_training, write_history

logger = logging.getLogger(__name__)
SECOND_ROUND = 1_000_003
"""Added to the seed: patches other than those of the first round."""


def train_on_pseudo_labels(
    initial: str | Path,
    images: Sequence[str | Path],
    labels: Sequence[str | Path],
    cases: Sequence[str],
    target_images: Sequence[str | Path],
    pseudo_labels: str | Path,
    table: str | Path,
    weights: str | Path,
    history: str | Path,
    seed: int,
    code: str,
    threads: int,
    device: str,
    precision: str,
    recompute: bool,
    *,
    share: float,
    randomisation: Mapping[str, float],
    batch: int,
    patch: Sequence[int],
    foreground_share: float,
    scale: float,
    steps: int,
    checkpoint_every: int,
    **settings: Any,
) -> None:
    """Go on training a segmenter on its training set and on pseudo-labelled target volumes; write its weights.

    Args:
        initial: Weights of the first round.
        images: The training set of the first round.
        labels: The label volume of each.
        cases: Names of the target's training cases.
        target_images: Their volumes.
        pseudo_labels: Folder that `label_target` wrote.
        table: Its table; cases that are not kept are left out.
        weights: Output, safetensors.
        history: Output, TSV: `step loss fused`.
        code: Version of the code behind this training; a checkpoint of another version is not resumed.
        recompute: See `DARUNet.recompute_in_backward`.
        share: Share of patches from pseudo-labelled volumes.
        randomisation: See `Randomisation`; its `source_share` gives way to `share`.
        settings: See `SegmenterTrainer`.
    """
    where = prepare_device(device, threads)
    dtype = choose_precision(precision, where)
    kept = kept_cases(table)
    masks = [Path(pseudo_labels) / f"{case}.nii" for case in cases]
    volumes = [pair for case, *pair in zip(cases, target_images, masks, strict=True) if case in kept]
    sampling = {"patch": list(patch), "batch": batch, "foreground_share": foreground_share, "scale": scale}
    choices = {"seed": seed, "code": code, "share": share, "randomisation": randomisation, "steps": steps}
    computing = {"device": where.type, "dtype": dtype}
    files = [initial, *images, *labels, *(path for pair in volumes for path in pair)]
    identity = identity_of({**choices, **sampling, **computing, **settings}, files)
    torch.manual_seed(seed)
    segmenter = load_segmenter(initial, where)
    if recompute:
        segmenter.recompute_in_backward()
    mixed = Randomisation(**{**randomisation, "source_share": share if volumes else 0.0})
    source = [pair[0] for pair in volumes], [pair[1] for pair in volumes]
    sampler = PatchSampler(images, labels, **sampling, randomisation=mixed, source=source)
    trainer = SegmenterTrainer(segmenter, sampler, where, dtype, seed + SECOND_ROUND, steps, **settings)
    with CheckpointFolder(Path(weights).parent / "checkpoints", identity) as checkpoints:
        losses = run_training("self_train_segmenter", trainer, steps, checkpoints, checkpoint_every)
        trainer.reestimate_statistics()
        write_history(losses, history)
        trainer.kept.save(weights)


def kept_cases(table: str | Path) -> set[str]:
    """Return the cases whose masks are plausible, and log the others."""
    rows = pd.read_csv(table, sep="\t", dtype={"case": str})
    for row in rows[~rows["kept"]].itertuples():
        logger.info("%s: its mask has implausible volumes, it is left out", row.case)
    if not rows["kept"].any():
        logger.warning("No mask of the target has plausible volumes: training goes on without them")
    return set(rows.loc[rows["kept"], "case"])
