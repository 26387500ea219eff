"""A source volume as CycleGAN translates it, slice by slice."""

from pathlib import Path

import torch

from dar_uda.adaptation.cyclegan import CycleGAN, Direction
from dar_uda.data.network_volume import open_affine, open_image, open_label, write_image
from dar_uda.jobs.progress import Progress
from dar_uda.training.device import prepare_device
from dar_uda.translation.harmonise import harmonise
from dar_uda.translation.slices import to_network_range

SLICES_PER_PASS = 8


@torch.no_grad()
def translate_volume(
    weights: str | Path,
    image: str | Path,
    volume: str | Path,
    way: Direction,
    case: str,
    device: str,
    threads: int,
    label: str | Path | None = None,
) -> None:
    """Write a source volume translated to the other domain, on its grid.

    Args:
        weights: File of a `CycleGAN`.
        image: The source volume on the network grid.
        way: "a-to-b" where the source is the domain whose slices came first in training.
        case: Name for the progress.
        label: The source volume's label map, with which the result is harmonised; None: it is not.
    """
    where = prepare_device(device, threads)
    network, slices = CycleGAN.load(weights, where), open_image(image)
    progress = Progress(f"translate {case}", len(slices), unit="slice")
    drawn = torch.empty(slices.shape)
    for start in range(0, len(slices), SLICES_PER_PASS):
        part = slice(start, start + SLICES_PER_PASS)
        translated = network(to_network_range(slices[part])[:, None].to(where), way)
        drawn[part] = (translated[:, 0].float() + 1).div_(2)
        progress.report(min(part.stop, len(slices)))
    drawn = drawn.numpy()
    write_image(volume, harmonise(drawn, open_label(label)) if label else drawn, open_affine(image))
