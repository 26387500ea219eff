"""Synthesis: a source volume redrawn in target styles, or as any other translator draws slices."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.data.network_volume import open_affine, open_image, open_label, write_image
from dar_uda.jobs.progress import Progress
from dar_uda.training.device import prepare_device
from dar_uda.translation.harmonise import harmonise
from dar_uda.translation.slices import to_network_range
from dar_uda.translation.translator import Translator

Draw = Callable[[Tensor], Iterable[Tensor]]
SLICES_PER_PASS = 8


def synthesize_volume(
    weights: str | Path,
    styles: str | Path,
    image: str | Path,
    volumes: Sequence[str | Path],
    case: str,
    device: str,
    threads: int,
    label: str | Path | None = None,
) -> None:
    """Decode every slice of a volume with one style code per synthetic volume; content is encoded once for all.

    Args:
        styles: TSV `case style code_0 ...`; style k of `case` makes volumes[k].
        image: The source volume on the network grid.
        volumes: Outputs, one per style, on the same grid.
        label: The source volume's label map, with which the volumes are harmonised; None: they are not.

    Raises:
        ValueError: The table holds another number of styles for the case than there are volumes.
    """
    where = prepare_device(device, threads)
    codes = _codes_of(case, styles, len(volumes))
    draw = in_styles(Translator.load(weights, where), codes.to(where))
    write_redrawn(draw, image, volumes, label, where, f"synthesize {case}")


def in_styles(translator: Translator, codes: Tensor) -> Draw:
    """Return how the translator draws slices in each style of `codes` (styles, style_dim): content once for all."""

    def draw(slices: Tensor) -> Iterator[Tensor]:
        content = translator.content(slices)
        for code in codes:
            yield translator.decoder(content, code.expand(len(content), -1))

    return draw


def write_redrawn(
    draw: Draw,
    image: str | Path,
    volumes: Sequence[str | Path],
    label: str | Path | None,
    device: torch.device,
    what: str,
) -> None:
    """Write a source volume as a translator draws it, on its grid.

    Args:
        draw: Gives slices, as tensors (N, 1, H, W) in [-1, 1] on the device, as many drawings as there are volumes.
        image: The source volume on the network grid.
        volumes: Outputs, one per drawing.
        label: The source volume's label map, with which the volumes are harmonised; None: they are not.
        what: Name of the progress.
    """
    slices, affine = open_image(image), open_affine(image)
    drawn = redraw(draw, slices, len(volumes), device, Progress(what, len(slices), unit="slice"))
    for path, volume in zip(volumes, drawn, strict=True):
        write_image(path, harmonise(volume, open_label(label)) if label else volume, affine)


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


def _codes_of(case: str, styles: str | Path, expected: int) -> Tensor:
    table = pd.read_csv(styles, sep="\t", dtype={"case": str}, keep_default_na=False, na_values=[""])
    rows = table[table["case"] == case].sort_values("style")
    if len(rows) != expected:
        raise ValueError(f"{styles}: {len(rows)} styles for case {case}, expected {expected}; run encode_styles again")
    return torch.tensor(rows.filter(like="code_").to_numpy(), dtype=torch.float32)
