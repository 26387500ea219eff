"""A source volume as CycleGAN translates it, slice by slice."""

from pathlib import Path

from dar_uda.adaptation.cyclegan import CycleGAN, GeneratorName
from dar_uda.training.device import prepare_device
from dar_uda.translation.redraw import write_redrawn


def translate_volume(
    weights: str | Path,
    image: str | Path,
    volume: str | Path,
    generator: GeneratorName,
    case: str,
    device: str,
    threads: int,
    label: str | Path | None = None,
) -> None:
    """Write a source volume translated to the other domain, on its grid.

    Args:
        weights: File of a `CycleGAN`.
        image: The source volume on the network grid.
        generator: "AtoB" where the source is the domain whose slices came first in training.
        case: Name for the progress.
        label: The source volume's label map, with which intensities are corrected between slices; None: they are not.
    """
    where = prepare_device(device, threads)
    network = CycleGAN.load(weights, where)
    write_redrawn(lambda slices: [network(slices, generator)], image, [volume], label, where, f"translate {case}")
