"""A source volume as a translator draws its slices, whichever translator it is."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import open_affine, open_image, open_label, write_image
from dar_uda.jobs.progress import Progress
from dar_uda.translation.inter_slice_correction import correct_between_slices
from dar_uda.translation.slices import to_network_range

Draw = Callable[[Tensor], Iterable[Tensor]]
"""Makes drawings of slices: tensors (N, 1, H, W) in [-1, 1] of such tensors."""
SLICES_PER_PASS = 8


def write_redrawn(
    draw: Draw,
    image: str | Path,
    volumes: Sequence[str | Path],
    label: str | Path | None,
    device: torch.device,
    what: str,
) -> None:
    """Write the drawings of a source volume, on its grid.

    Args:
        draw: Makes as many drawings of slices on the device as there are volumes.
        image: The source volume on the network grid.
        volumes: Outputs, one per drawing.
        label: The source volume's label map, with which intensities are corrected between slices; None: they are not.
        what: Name of the progress.
    """
    slices, affine = open_image(image), open_affine(image)
    drawn = redraw(draw, slices, len(volumes), device, Progress(what, len(slices), unit="slice"))
    for path, volume in zip(volumes, drawn, strict=True):
        write_image(path, correct_between_slices(volume, open_label(label)) if label else volume, affine)


@torch.no_grad()
def redraw(
    draw: Draw, slices: NDArray[np.uint16], volumes: int, device: torch.device, progress: Progress
) -> NDArray[np.float32]:
    """Return (volumes, D, H, W) in [0, 1]: every drawing of every slice.

    Args:
        draw: See `write_redrawn`.
        slices: (D, H, W) as stored.
    """
    redrawn = torch.empty(volumes, *slices.shape)
    for start in range(0, len(slices), SLICES_PER_PASS):
        part = slice(start, start + SLICES_PER_PASS)
        shown = to_network_range(slices[part])[:, None].to(device)
        for volume, drawing in zip(redrawn, draw(shown), strict=True):
            volume[part] = (drawing[:, 0] + 1).div_(2)
        progress.report(min(part.stop, len(slices)))
    return redrawn.numpy()
