"""SIFA's segmenter (Chen et al., IEEE TMI 2020): a dilated residual encoder and two pixelwise classifiers."""

from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from dar_uda.training.weights import save_weights

MOMENTUM, EPSILON = 0.1, 1e-3
DILATION = 2
INITIAL_DEVIATION = 0.01
BLOCKS = (1, 1, 2, 2, 4, 2)
"""Residual blocks of each width before the dilated ones."""
POOLED_BEFORE = (False, True, True, True, False, False)
STRIDE = 8


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to the input; further channels of the input are zeros.

    Zeros lie on both sides of the channels, half each.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__()
        self.sides = ((outputs - inputs) // 2, outputs - inputs - (outputs - inputs) // 2)
        self.body = nn.Sequential(
            *_normalized(inputs, outputs, 3, dilation), *_normalized(outputs, outputs, 3, dilation)[:-1]
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + F.pad(x, (0, 0, 0, 0, *self.sides)))


def _normalized(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=dilation > 1)
    return [conv, nn.BatchNorm2d(outputs, EPSILON, MOMENTUM), nn.ReLU(inplace=True)]


class SIFANet(nn.Module):
    """Segment the slices of a volume one by one, as SIFA does.

    Args:
        classes: Number of classes, background included.
        channels: Widths of the residual blocks, from the finest to the fifth; the sixth is twice the fifth. SIFA's are
            16, 32, 64, 128, 256.

    Shape:
        (N, 1, D, H, W) to scores (N, classes, D, H, W); in training mode a list of two, the second from before the
        dilated blocks. H, W divide by 8.

    Raises:
        ValueError: A side of the input does not divide.
    """

    def __init__(self, classes: int, channels: Sequence[int] = (16, 32, 64, 128, 256)) -> None:
        super().__init__()
        self.arguments = {"architecture": "sifa", "classes": classes, "channels": list(channels)}
        self.divisors = (1, STRIDE, STRIDE)
        widths = [*channels, 2 * channels[-1]]
        self.features = widths[-1]
        self.stem = nn.Sequential(*_normalized(1, widths[0], 7))
        self.encoder = nn.Sequential(*_encoder(widths))
        self.dilated = nn.Sequential(
            *(ResidualBlock(self.features, self.features, DILATION) for _ in range(2)),
            *(layer for _ in range(2) for layer in _normalized(self.features, self.features, 3)),
        )
        self.head = nn.Conv2d(self.features, classes, 1, bias=False)
        self.second_head = nn.Conv2d(self.features, classes, 1, bias=False)
        initialize(self, INITIAL_DEVIATION)

    def checkpoint_activations(self) -> None:
        """Change nothing: slices take little memory, and another forward would move the running statistics again."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (N, features, H / 8, W / 8) of images (N, 1, H, W), and those before the dilated blocks.

        Raises:
            ValueError: A side does not divide by 8.
        """
        if images.shape[2] % STRIDE or images.shape[3] % STRIDE:
            raise ValueError(f"DAR-221: Slice {tuple(images.shape[2:])} does not divide by {STRIDE}")
        early = self.encoder(self.stem(images))
        return self.dilated(early), early

    def classify(self, features: Tensor, early: Tensor) -> list[Tensor]:
        """Return the scores of both outputs (N, classes, H, W) from what `encode` returns."""
        return [
            F.interpolate(scores, scale_factor=STRIDE, mode="bilinear", align_corners=False)
            for scores in (self.head(features), self.second_head(early))
        ]

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        scores = self.classify(*self.encode(x.transpose(1, 2).flatten(0, 1)))
        volumes = [score.unflatten(0, (len(x), -1)).transpose(1, 2) for score in scores]
        return volumes if self.training else volumes[0]

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors."""
        save_weights(path, self, self.arguments)


def _encoder(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = widths[0]
    for width, blocks, is_pooled in zip(widths, BLOCKS, POOLED_BEFORE, strict=True):
        layers += [nn.MaxPool2d(2)] if is_pooled else []
        layers += [ResidualBlock(inputs, width) for inputs in (before, *[width] * (blocks - 1))]
        before = width
    return layers


def initialize(module: nn.Module, deviation: float) -> None:
    """Draw the weights of every convolution from a normal distribution, cut off at two deviations; biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.trunc_normal_(layer.weight, 0.0, deviation, -2 * deviation, 2 * deviation)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
