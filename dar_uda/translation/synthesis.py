"""Synthesis: a source volume redrawn in target styles."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from dar_uda.training.device import prepare_device
from dar_uda.translation.redraw import Draw, write_redrawn
from dar_uda.translation.translator import Translator


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
        label: The source volume's label map, with which intensities are corrected between slices; None: they are not.

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


def _codes_of(case: str, styles: str | Path, expected: int) -> Tensor:
    table = pd.read_csv(styles, sep="\t", dtype={"case": str}, keep_default_na=False, na_values=[""])
    rows = table[table["case"] == case].sort_values("style")
    if len(rows) != expected:
        raise ValueError(
            f"DAR-280: {styles}: {len(rows)} styles for case {case}, expected {expected}; run encode_styles again"
        )
    return torch.tensor(rows.filter(like="code_").to_numpy(), dtype=torch.float32)
