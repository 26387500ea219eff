"""Self-training iterations: further training on the segmenter's own masks of the target and the synthetic volumes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dar_uda.segmentation.domain_randomization import DomainRandomization
from dar_uda.segmentation.networks import load_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.segmentation.train import OPTIMIZATION, SegmenterTrainer, sampling_of
from dar_uda.training.job import Job

logger = logging.getLogger(__name__)
SEED_PER_ITERATION = 1_000_003
"""Added to the seed once per iteration: patches other than those of the trainings before it."""


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
    domain_randomization: Mapping[str, float],
    iteration: int,
) -> None:
    """Go on training a segmenter on its training set and on pseudo-labeled target volumes; write its weights.

    Args:
        initial: Weights of the iteration before, or of the first training.
        images: The training set of the first training.
        labels: The label volume of each.
        cases: Names of the target's training cases.
        target_images: Their volumes.
        pseudo_labels: Folder that `label_target` wrote.
        table: Its table; cases that are not kept are left out.
        weights: Output, safetensors.
        history: Output, TSV: `step loss main_output`.
        segmentation: The configuration's branch of this name.
        self_training: Its branch of this name: `steps`, `learning_rate`, and `pseudo_label_fraction`, of patches from
            pseudo-labeled volumes.
        domain_randomization: See `DomainRandomization`; its `source_fraction` gives way to
            `pseudo_label_fraction`.
        iteration: Its number, from 1.
    """
    kept = kept_cases(table)
    masks = [Path(pseudo_labels) / f"{case}.nii" for case in cases]
    volumes = [pair for case, *pair in zip(cases, target_images, masks, strict=True) if case in kept]
    torch.manual_seed(job.seed)
    segmenter = load_segmenter(initial, job.device)
    mixed = DomainRandomization(
        **{**domain_randomization, "source_fraction": self_training["pseudo_label_fraction"] if volumes else 0.0}
    )
    source = [pair[0] for pair in volumes], [pair[1] for pair in volumes]
    sampler = PatchSampler(images, labels, **sampling_of(segmentation), domain_randomization=mixed, source=source)
    rates = {**segmentation, "learning_rate": self_training["learning_rate"]}
    settings = {key: rates[key] for key in OPTIMIZATION}
    steps, drawing = self_training["steps"], replace(job, seed=job.seed + iteration * SEED_PER_ITERATION)
    trainer = SegmenterTrainer(segmenter, sampler, drawing, steps, **settings)
    files = [initial, *images, *labels, *(path for pair in volumes for path in pair)]
    choices = {"self_training": self_training, "domain_randomization": domain_randomization, "iteration": iteration}
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
