"""The generator side of the translator: what synthesis needs of it, and its file."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from dar_uda.training.weights import load_weights, save_weights
from dar_uda.translation.networks import ContentEncoder, Decoder, StyleEncoder, initialize

Side = Literal["a", "b"]
PADDING = "zeros"
"""Of the convolutions; written into each file, since earlier files hold the same tensors but reflect at the borders."""


class Translator(nn.Module):
    """Shared content encoder and decoder, one style encoder per domain."""

    def __init__(self, width: int = 32, style_dim: int = 8, style_statistics: bool = False) -> None:
        super().__init__()
        self.arguments = {"width": width, "style_dim": style_dim, "style_statistics": style_statistics}
        self.content = ContentEncoder(width)
        self.style = nn.ModuleDict({side: StyleEncoder(width, style_dim, style_statistics) for side in "ab"})
        self.decoder = Decoder(width, style_dim)
        initialize(self)

    def styles(self, images_a: Tensor, images_b: Tensor) -> Tensor:
        """Return the styles of both domains' images, those of domain a first: (N_a + N_b, style_dim)."""
        return torch.cat([self.style["a"](images_a), self.style["b"](images_b)])

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors."""
        save_weights(path, self, {**self.arguments, "padding": PADDING})

    @classmethod
    def load(cls, path: str | Path, device: torch.device) -> "Translator":
        """Return the translator of a weights file, ready to translate.

        Raises:
            ValueError: An earlier version wrote it, whose networks are others.
        """
        state, arguments = load_weights(path)
        if (padding := arguments.pop("padding", "reflection")) != PADDING:
            raise ValueError(
                f"DAR-281: {path}: a translator trained with {padding} at the borders, by another version of DAR-UDA; "
                f"expected {PADDING}: delete the file and run train_translator again"
            )
        translator = cls(**arguments)
        translator.load_state_dict(state)
        return translator.to(device).eval()
