"""A 2D U-Net that segments the slices of a volume one by one: the segmenter of the 2D rivals."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dar_uda.segmentation.interpolation import resized
from dar_uda.segmentation.normalization import SLOPE, GroupNorm
from dar_uda.training.weights import save_weights


class ResidualBlock(nn.Module):
    """Two convolutions with group norm, added to the input's 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            GroupNorm(outputs, SLOPE),
            nn.Identity(),  # keeps the place of LeakyReLU, and so the names after it, in weights files
            nn.Conv2d(outputs, outputs, 3, padding=1),
            GroupNorm(outputs),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.skip(x))


class UNet2D(nn.Module):
    """U-Net (Ronneberger et al. 2015) of residual blocks with group norm, as deep and wide as DAR-UNet.

    Args:
        classes: Number of classes, background included.
        channels: Channels of the five resolutions.
        multilevel: In training mode, also return scores from the second finest resolution, as the multi-level form of
            output-space adaptation asks for.

    Shape:
        (N, 1, D, H, W) to scores (N, classes, D, H, W); multilevel in training mode a list of two. H, W divide by 16.

    Raises:
        ValueError: A side of the input does not divide.
    """

    def __init__(
        self, classes: int, channels: Sequence[int] = (16, 32, 64, 128, 256), multilevel: bool = False
    ) -> None:
        super().__init__()
        self.arguments = {
            "architecture": "unet_2d",
            "classes": classes,
            "channels": list(channels),
            "multilevel": multilevel,
        }
        self.activation_checkpointing = False
        self.divisors = (1, *[2 ** (len(channels) - 1)] * 2)
        fine_to_coarse = list(zip(channels, channels[1:], strict=False))
        self.encoder = nn.ModuleList(ResidualBlock(i, o) for i, o in zip([1, *channels], channels, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(o, i, 2, stride=2) for i, o in fine_to_coarse)
        self.decoder = nn.ModuleList(ResidualBlock(2 * i, i) for i, _ in fine_to_coarse)
        self.head = nn.Conv2d(channels[0], classes, 1)
        self.second_head = nn.Conv2d(channels[1], classes, 1) if multilevel else None

    def checkpoint_activations(self) -> None:
        """From now on keep only what passes between blocks for the backward; see `DARUNet.checkpoint_activations`."""
        self.activation_checkpointing = True

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        if any(side % divisor for side, divisor in zip(x.shape[2:], self.divisors, strict=True)):
            raise ValueError(f"DAR-221: Patch {tuple(x.shape[2:])} does not divide by {self.divisors}")
        decoded = self._decode(x.transpose(1, 2).flatten(0, 1))
        scores = [self.head(decoded[0])]
        if self.second_head is not None and self.training:
            scores.append(resized(self.second_head(decoded[1]), x.shape[3:]))
        volumes = [score.unflatten(0, (len(x), -1)).transpose(1, 2) for score in scores]
        return volumes if len(volumes) > 1 else volumes[0]

    def _decode(self, slices: Tensor) -> list[Tensor]:
        """Return the decoder's features, from the finest resolution to the bottleneck."""
        encoded = []
        for level, block in enumerate(self.encoder):
            slices = self._run(block, F.max_pool2d(slices, 2) if level else slices)
            encoded.append(slices)
        decoded = [encoded[-1]]
        for level in reversed(range(len(self.decoder))):
            joined = torch.cat([self.up[level](decoded[0]), encoded[level]], dim=1)
            decoded.insert(0, self._run(self.decoder[level], joined))
        return decoded

    def _run(self, block: ResidualBlock, x: Tensor) -> Tensor:
        if not (self.activation_checkpointing and torch.is_grad_enabled()):
            return block(x)
        return checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors."""
        save_weights(path, self, self.arguments)
