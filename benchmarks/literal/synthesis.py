"""Synthesis slice by slice: each style of each slice is encoded and decoded on its own."""

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.literal.translator import literal_decode
from dar_uda.translation.slices import to_network_range
from dar_uda.translation.translator import Translator


@torch.no_grad()
def literal_redraw(translator: Translator, slices: NDArray[np.uint16], codes: torch.Tensor) -> NDArray[np.float32]:
    """Return (styles, D, H, W) in [0, 1]; the codes lie where the translator does."""
    drawn = np.empty((len(codes), *slices.shape), dtype=np.float32)
    for style, code in enumerate(codes):
        for depth in range(len(slices)):
            image = to_network_range(slices[depth : depth + 1])[:, None].to(codes.device)
            decoded = literal_decode(translator.decoder, translator.content(image), code[None])
            drawn[style, depth] = (decoded[0, 0].cpu().numpy() + 1) / 2
    return drawn
