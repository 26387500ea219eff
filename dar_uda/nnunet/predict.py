"""Masks by nnU-Net, on each case's original grid, made from its probabilities as other networks' masks are."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import LEVELS, open_affine, open_image, write_image
from dar_uda.data.predictions import mask_path, probabilities_path
from dar_uda.data.volume import write_mask
from dar_uda.jobs.progress import Progress
from dar_uda.nnunet.commands import predict_command, predicting_variables, visible_gpu
from dar_uda.nnunet.run import run, versions_of
from dar_uda.preprocessing.structures import single_structures
from dar_uda.segmentation.guided_filter import follow_edges
from dar_uda.segmentation.predict import counted, mask_of, stored_probabilities, write_tta_inconsistency
from dar_uda.segmentation.tta import TtaInconsistency, predict_transformed, transforms_of
from dar_uda.training.device import lease_devices

AT_A_TIME = 8
"""Cases that one command predicts: all probabilities of these lie on the disk together."""
FLIPS = False
"""Its trainer mirrors nothing, so that test-time augmentation does not either."""


def predict_nnunet(
    cases: Sequence[str],
    model: str | Path,
    images: Sequence[str | Path],
    grids: Sequence[str | Path],
    source_structures: str | Path | None,
    predictions: str | Path,
    tta_inconsistency: str | Path,
    structures: Sequence[str],
    guided_filter_radius: int,
    test_time_augmentation: bool,
    keep_largest_component: bool,
    save_probabilities: bool,
    python: str,
    device: str,
    threads: int,
) -> dict[str, str]:
    """Segment cases and write what `predict_cases` writes, from the probabilities that nnU-Net has.

    Returns the versions of the packages that computed these.

    Args:
        model: Folder of `train_nnunet`.
        cases, images, grids, source_structures, predictions, tta_inconsistency, structures: See `predict_cases`.
        guided_filter_radius, test_time_augmentation, keep_largest_component, save_probabilities: See `predict_cases`.
        python: The interpreter that has nnU-Net.

    Raises:
        FileNotFoundError, RuntimeError: See `versions_of` and `run`.
    """
    versions, gpu = versions_of(python), visible_gpu(lease_devices(device)[0])
    single = single_structures(source_structures) if keep_largest_component and source_structures else []
    progress = Progress("predict", len(cases), unit="case")
    rows = []
    for first in range(0, len(cases), AT_A_TIME):
        here = slice(first, first + AT_A_TIME)
        Path(predictions).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=predictions, prefix=".partial-") as work:
            _predict(python, model, images[here], Path(work), gpu, threads)
            parts = zip(cases[here], images[here], grids[here], strict=True)
            for number, (case, image, grid) in enumerate(parts):
                changes = TtaInconsistency(len(structures))
                kept = probabilities_path(predictions, case) if save_probabilities else None
                with stored_probabilities(kept, grid, len(structures) + 1) as stored:
                    transformed = _probabilities(Path(work), number, image, guided_filter_radius)
                    mask = mask_of(counted(transformed, changes, test_time_augmentation), grid, single, stored)
                write_mask(mask_path(predictions, case), mask.array, mask.grid)
                rows += [(case, name, value) for name, value in zip(structures, changes.values(), strict=True)]
                progress.report(first + number + 1)
    write_tta_inconsistency(rows, tta_inconsistency)
    return versions


def _predict(
    python: str, model: str | Path, images: Sequence[str | Path], work: Path, gpu: str | None, threads: int
) -> None:
    """Have nnU-Net write `probabilities/{number}-{index}.npz`, those of every image under every TTA transform."""
    for number, path in enumerate(images):
        for index, (change, _) in enumerate(transforms_of(FLIPS)):
            changed = change(open_image(path)).astype(np.float32) / LEVELS
            write_image(work / "images" / f"{number:03d}-{index}_0000.nii", changed, open_affine(path))
    device, places = "cpu" if gpu is None else "cuda", (work / "images", work / "probabilities")
    run(predict_command(python, model, *places, device, threads), predicting_variables(threads, gpu))


def _probabilities(work: Path, number: int, image: str | Path, radius: int) -> Iterator[list[Tensor]]:
    """Yield the probabilities of an image under every TTA transform, one slab: the whole volume."""
    files = iter([work / "probabilities" / f"{number:03d}-{index}.npz" for index in range(len(transforms_of(FLIPS)))])

    def slabs_of(changed: NDArray[np.uint16]) -> Iterator[Tensor]:
        with np.load(next(files), allow_pickle=False) as file:
            slab = torch.from_numpy(file["probabilities"].astype(np.float32))
        return follow_edges([slab], changed, radius) if radius else iter([slab])

    return predict_transformed(open_image(image), slabs_of, FLIPS)
