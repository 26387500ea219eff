"""A further round of training on the segmenter's own masks of the target beside the synthetic volumes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dar_uda.segmentation.networks import load_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.randomisation import Randomisation
from dar_uda.segmentation.train import OPTIMISATION, SegmenterTrainer, sampling_of
from dar_uda.training.job import Job

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
    job: Job,
    segmentation: Mapping[str, Any],
    self_training: Mapping[str, Any],
    randomisation: Mapping[str, float],
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
        segmentation: The configuration's branch of this name.
        self_training: Its branch of this name: `steps`, `learning_rate`, and the `share` of patches from
            pseudo-labelled volumes.
        randomisation: See `Randomisation`; its `source_share` gives way to `share`.
    """
    kept = kept_cases(table)
    masks = [Path(pseudo_labels) / f"{case}.nii" for case in cases]
    volumes = [pair for case, *pair in zip(cases, target_images, masks, strict=True) if case in kept]
    torch.manual_seed(job.seed)
    segmenter = load_segmenter(initial, job.device)
    mixed = Randomisation(**{**randomisation, "source_share": self_training["share"] if volumes else 0.0})
    source = [pair[0] for pair in volumes], [pair[1] for pair in volumes]
    sampler = PatchSampler(images, labels, **sampling_of(segmentation), randomisation=mixed, source=source)
    rates = {**segmentation, "learning_rate": self_training["learning_rate"]}
    settings = {key: rates[key] for key in OPTIMISATION}
    steps, second = self_training["steps"], replace(job, seed=job.seed + SECOND_ROUND)
    trainer = SegmenterTrainer(segmenter, sampler, second, steps, **settings)
    files = [initial, *images, *labels, *(path for pair in volumes for path in pair)]
    choices = {"self_training": self_training, "randomisation": randomisation}
    with job.training("self_train_segmenter", trainer, steps, segmentation, history, files, trainer.picture, **choices):
        trainer.candidate(steps).save(weights)


def kept_cases(table: str | Path) -> set[str]:
    """Return the cases whose masks are plausible, and log the others."""
    rows = pd.read_csv(table, sep="\t", dtype={"case": str}, keep_default_na=False, na_values=[""])
    for row in rows[~rows["kept"]].itertuples():
        logger.info("%s: its mask has implausible volumes, it is left out", row.case)
    if not rows["kept"].any():
        logger.warning("No mask of the target has plausible volumes: training goes on without them")
    return set(rows.loc[rows["kept"], "case"])
