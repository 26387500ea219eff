"""Pseudo-labels from the mean of several segmenters, and where they differ."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.ideas.trainer import UNKNOWN
from dar_uda.adaptation.pseudo_labels import is_plausible, volumes_of
from dar_uda.data.components import keep_largest
from dar_uda.data.network_volume import open_affine, open_image, write_label
from dar_uda.jobs.progress import Progress
from dar_uda.preprocessing.structures import mean_volumes, single_structures
from dar_uda.segmentation.predictor import Predictor


def label_by_consensus(
    cases: Sequence[str],
    images: Sequence[str],
    teachers: Sequence[Predictor],
    source_structures: str,
    labels: Path,
    table: Path,
    structures: Sequence[str],
    ignores: bool,
) -> None:
    """As `label_target`, by the teachers' mean probabilities; `ignores`: voxels in which they differ are UNKNOWN."""
    single, usual = single_structures(source_structures), np.array(mean_volumes(source_structures))
    progress, rows = Progress("label_by_consensus", len(cases), unit="case"), []
    labels.mkdir(parents=True, exist_ok=True)
    for done, (case, image) in enumerate(zip(cases, images, strict=True), start=1):
        classes, is_agreed = classes_of(open_image(image), teachers)
        classes = keep_largest(classes, single)
        volumes = volumes_of(classes, len(structures), open_affine(image))
        ratios = np.divide(volumes, usual, out=np.ones_like(usual), where=usual > 0)
        rows.append([case, is_plausible(ratios), *ratios])
        marked = np.where(is_agreed, classes, np.uint8(UNKNOWN)) if ignores else classes
        write_label(labels / f"{case}.nii", marked, open_affine(image))
        progress.report(done)
    frame = pd.DataFrame(rows, columns=["case", "kept", *structures])
    frame.to_csv(table, sep="\t", index=False, float_format="%.3f")


def classes_of(image: NDArray[np.uint16], teachers: Sequence[Predictor]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the likeliest class of every voxel by the mean over teachers, and whether all have the same, (D, H, W)."""
    classes, agreed = [], []
    for slabs in zip(*(teacher.slabs(image) for teacher in teachers), strict=True):
        each = torch.stack([slab.argmax(0) for slab in slabs])
        classes.append(torch.stack(list(slabs)).mean(0).argmax(0).to(torch.uint8))
        agreed.append((each == each[0]).all(0))
    return torch.cat(classes).cpu().numpy(), torch.cat(agreed).cpu().numpy()
