"""Masks of whole cases, on each case's original grid."""

from collections.abc import Sequence
from pathlib import Path

from dar_uda.data.network_volume import open_image
from dar_uda.data.predictions import mask_path
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.sliding_window import Weighting, predict_slabs
from dar_uda.training.device import prepare_device
from dar_uda.training.progress import Progress


def predict_cases(
    cases: Sequence[str],
    weights: str | Path,
    images: Sequence[str | Path],
    grids: Sequence[str | Path],
    predictions: str | Path,
    window: Sequence[int],
    overlap: float,
    weighting: Weighting,
    batch: int,
    device: str,
    threads: int,
) -> None:
    """Segment cases and write each mask on its case's original grid.

    Args:
        cases: Names, in the order of the files.
        images: Volumes on the network grid.
        grids: The grids of each case, original and network (written by preprocessing).
        predictions: Output folder of NIfTI label maps of classes 1..K.
    """
    from dar_uda.data.volume import write_mask
    from dar_uda.preprocessing.restore import restore_classes

    where = prepare_device(device, threads)
    network = DARUNet.load(weights, where)
    progress = Progress("predict", len(images), unit="case")
    for done, (case, image, grid) in enumerate(zip(cases, images, grids, strict=True), start=1):
        slabs = predict_slabs(network, open_image(image), window, overlap, weighting, batch, where)
        restored = restore_classes(slabs, grid)
        write_mask(mask_path(predictions, case), restored.array, restored.grid)
        progress.report(done)
