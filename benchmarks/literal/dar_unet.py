"""DAR-UNet and its loss without any rearrangement: torch's own layers, literal attention, a tensor per operation."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.literal.attention import LiteralQuartetAttention
from dar_uda.layers.chain import Chain
from dar_uda.segmentation.attention import VoxelAttention
from dar_uda.segmentation.convolution import Conv3d, UpConv3d
from dar_uda.segmentation.dar_unet import DARUNet, ResidualBlock
from dar_uda.segmentation.normalization import SLOPE, GroupNorm

PLAIN = {Conv3d: nn.Conv3d, UpConv3d: nn.ConvTranspose3d}


def literal_dar_unet(classes: int, channels: Sequence[int] = (16, 32, 64, 128, 256)) -> DARUNet:
    """Return the network of torch's layers and literal attention; its state fits the optimized one's and vice versa."""
    network = TorchsNormsDARUNet(classes, channels)
    for module in network.modules():
        module.__class__ = PLAIN.get(type(module), type(module))
    for block in [*network.encoder, *network.decoder]:
        block.attention = LiteralQuartetAttention()
    return network


class _Block(ResidualBlock):
    """Every convolution adds its bias, on a GPU too."""

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self.body(x) + self.skip(x))


class _VoxelAttention(VoxelAttention):
    """Every convolution adds its bias, on a GPU too."""

    _map_on_cuda = VoxelAttention._map


ONE_BY_ONE = {Chain: nn.Sequential, GroupNorm: nn.GroupNorm, ResidualBlock: _Block, VoxelAttention: _VoxelAttention}


class TorchsNormsDARUNet(DARUNet):
    """DAR-UNet with torch's group norm, LeakyReLU and interpolation, one after the other."""

    def __init__(self, *sizes: Any) -> None:
        super().__init__(*sizes)
        for module in list(self.modules()):
            if isinstance(module, Chain):
                _activate(module)
            module.__class__ = ONE_BY_ONE.get(type(module), type(module))

    @staticmethod
    def _full_size(scores: Tensor, x: Tensor) -> Tensor:
        return F.interpolate(scores, size=x.shape[2:], mode="trilinear", align_corners=False)


def _activate(layers: nn.Sequential) -> None:
    """Put LeakyReLU after the norms that have it within themselves, in the place that is left for it."""
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.Identity):
            layers[place] = nn.LeakyReLU(SLOPE, inplace=True)


def literal_loss(outputs: list[Tensor], labels: Tensor, focal_weight: float) -> Tensor:
    """Return the sum over all outputs of soft Dice and `focal_weight` times focal loss."""
    return sum(_soft_dice(scores, labels) + focal_weight * _focal(scores, labels) for scores in outputs)


def _one_hot(scores: Tensor, labels: Tensor) -> Tensor:
    return F.one_hot(labels, scores.shape[1]).movedim(-1, 1).to(scores.dtype)


def _soft_dice(scores: Tensor, labels: Tensor) -> Tensor:
    probabilities, one_hot = torch.softmax(scores, dim=1), _one_hot(scores, labels)
    loss = 0.0
    for index in range(scores.shape[1]):
        predicted, true = probabilities[:, index], one_hot[:, index]
        intersection = (predicted * true).sum()
        size = (predicted * predicted).sum() + (true * true).sum()
        loss = loss + 1 - (2 * intersection + 1e-5) / (size + 1e-5)
    return loss / scores.shape[1]


def _focal(scores: Tensor, labels: Tensor) -> Tensor:
    one_hot, log_probabilities = _one_hot(scores, labels), F.log_softmax(scores, dim=1)
    probabilities = log_probabilities.exp()
    return (-one_hot * (1 - probabilities) ** 2 * log_probabilities).mean()
