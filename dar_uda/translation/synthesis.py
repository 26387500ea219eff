"""Synthesis: a source volume redrawn in target styles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dar_uda.data.network_volume import open_affine, open_image, open_label, write_image
from dar_uda.jobs.progress import Progress
from dar_uda.training.device import prepare_device
from dar_uda.translation.harmonise import harmonise
from dar_uda.translation.slices import to_network_range
from dar_uda.translation.translator import Translator

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
    translator = Translator.load(weights, where)
    slices, affine = open_image(image), open_affine(image)
    drawn = redraw(translator, slices, codes, where, Progress(f"synthesize {case}", len(slices), unit="slice"))
    for path, volume in zip(volumes, drawn, strict=True):
        write_image(path, harmonise(volume, open_label(label)) if label else volume, affine)


@torch.no_grad()
def redraw(
    translator: Translator, slices: NDArray[np.uint16], codes: torch.Tensor, device: torch.device, progress: Progress
) -> NDArray[np.float32]:
    """Return (styles, D, H, W) in [0, 1]: every slice in every style.

    Args:
        slices: (D, H, W) as stored.
        codes: (styles, style_dim).
    """
    drawn = torch.empty(len(codes), *slices.shape)
    for start in range(0, len(slices), SLICES_PER_PASS):
        content = translator.content(to_network_range(slices[start : start + SLICES_PER_PASS])[:, None].to(device))
        for volume, code in zip(drawn, codes.to(device), strict=True):
            decoded = translator.decoder(content, code.expand(len(content), -1))
            volume[start : start + SLICES_PER_PASS] = (decoded[:, 0] + 1).div_(2)
        progress.report(min(start + SLICES_PER_PASS, len(slices)))
    return drawn.numpy()


def _codes_of(case: str, styles: str | Path, expected: int) -> torch.Tensor:
    table = pd.read_csv(styles, sep="\t", dtype={"case": str}, keep_default_na=False, na_values=[""])
    rows = table[table["case"] == case].sort_values("style")
    if len(rows) != expected:
        raise ValueError(f"{styles}: {len(rows)} styles for case {case}, expected {expected}; run encode_styles again")
    return torch.tensor(rows.filter(like="code_").to_numpy(), dtype=torch.float32)
