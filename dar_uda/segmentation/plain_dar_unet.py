"""DAR-UNet for prediction alone, in torch's own layers: what other programs can read, trace and export.

The same weights by the same names as `dar_uda.segmentation.dar_unet`, and the same scores. This file imports nothing of
the package: a MONAI bundle takes it along.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ANISOTROPIC_STRIDES = ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
ISOTROPIC_STRIDES = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
CHANNELS_PER_GROUP, SLOPE = 8, 0.01
SEEN = ("DHW", "CHW", "DCW", "DHC")
"""The axes that each map of quartet attention sees, after the axis that it reduces: C, D, H or W."""


class PlainDARUNet(nn.Module):
    """Segment a volume by the main output; call `eval()` first.

    Args:
        classes: Number of classes, background included.
        channels: Channels of the five resolutions.
        anisotropic: Keep the depth in the first levels.
        qam: Quartet attention after every residual block.
        vam: Voxel-wise attention on every skip connection.

    Shape:
        (N, 1, D, H, W) to scores (N, classes, D, H, W); D, H, W divide by the products of the strides.
    """

    def __init__(
        self,
        classes: int,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        anisotropic: bool = True,
        qam: bool = True,
        vam: bool = True,
    ) -> None:
        super().__init__()
        strides = ANISOTROPIC_STRIDES if anisotropic else ISOTROPIC_STRIDES
        levels = list(zip([1, *channels], channels, strides, strict=False))
        self.encoder = nn.ModuleList(Block(i, o, stride, qam, first=i == 1) for i, o, stride in levels)
        between = list(zip(channels, channels[1:], strides[1:], strict=False))
        self.skips = nn.ModuleList(Skip(e, d, stride, vam) for e, d, stride in between)
        self.decoder = nn.ModuleList(Block(e + d, e, (1, 1, 1), qam) for e, d, _ in between)
        self.heads = nn.ModuleList(conv(width, classes) for width in channels)
        self.fuse = conv(len(channels) * classes, classes)

    def forward(self, x: Tensor) -> Tensor:
        encoded, feature = [], x
        for block in self.encoder:
            feature = block(feature)
            encoded.append(feature)
        decoded = [feature]
        for skip, block, of_encoder in reversed(list(zip(self.skips, self.decoder, encoded, strict=False))):
            decoded.insert(0, block(skip(of_encoder, decoded[0])))
        scores = [head(feature) for head, feature in zip(self.heads, decoded, strict=True)]
        size = x.shape[2:]
        full = [scores[0], *(F.interpolate(s, size=size, mode="trilinear", align_corners=False) for s in scores[1:])]
        return self.fuse(torch.cat(full, dim=1))


class Block(nn.Module):
    """Three pre-activated convolutions around a convolved skip connection, then quartet attention."""

    def __init__(self, inputs: int, outputs: int, stride: Sequence[int], qam: bool, first: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *([] if first else activated(inputs)),
            conv(inputs, outputs, stride=stride),
            *activated(outputs),
            conv(outputs, outputs),
            *activated(outputs),
            conv(outputs, outputs),
        )
        self.skip = nn.Sequential(conv(inputs, outputs, stride=stride), norm(outputs))
        self.attention = QuartetAttention() if qam else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self.body(x) + self.skip(x))


class QuartetAttention(nn.Module):
    """Weigh a feature by the mean of four maps, each made of its maximum and mean along one axis."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(2, 1, 7, padding=3, bias=False) for _ in SEEN)
        self.norms = nn.ModuleList(nn.BatchNorm3d(1) for _ in SEEN)

    def forward(self, x: Tensor) -> Tensor:
        maps = [
            self._map(x, axis, *branch) for axis, branch in enumerate(zip(SEEN, self.convs, self.norms, strict=True), 1)
        ]
        return x * (maps[0] + maps[1] + maps[2] + maps[3]) / 4

    @staticmethod
    def _map(x: Tensor, axis: int, seen: str, conv: nn.Module, norm: nn.Module) -> Tensor:
        left = "CDHW"[: axis - 1] + "CDHW"[axis:]
        pooled = torch.stack([x.amax(axis), x.mean(axis)], dim=1)
        turned = pooled.permute(0, 1, *(2 + left.index(each) for each in seen))
        attention = torch.sigmoid(norm(conv(turned))).squeeze(1)
        return attention.permute(0, *(1 + seen.index(each) for each in left)).unsqueeze(axis)


class Skip(nn.Module):
    """Gate a decoder feature by a map from it and the encoder feature, bring it up, and append the encoder's."""

    def __init__(self, encoder: int, decoder: int, stride: Sequence[int], gated: bool) -> None:
        super().__init__()
        self.gated = gated
        if gated:
            self.from_encoder = nn.Sequential(
                *activated(encoder), conv(encoder, decoder), nn.MaxPool3d(tuple(stride), tuple(stride))
            )
            self.from_decoder = nn.Sequential(*activated(decoder), conv(decoder, decoder))
            self.to_map = nn.Sequential(*activated(decoder), conv(decoder, 1, kernel=1))
        output_padding = tuple(step - 1 for step in stride)
        self.up = nn.ConvTranspose3d(decoder, decoder, 3, tuple(stride), padding=1, output_padding=output_padding)

    def forward(self, encoder: Tensor, decoder: Tensor) -> Tensor:
        if self.gated:
            decoder = decoder * self.to_map(self.from_encoder(encoder) + self.from_decoder(decoder))
        return torch.cat([self.up(decoder), encoder], dim=1)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: Sequence[int] = (1, 1, 1)) -> nn.Conv3d:
    """Return a convolution padded by half of its kernel."""
    return nn.Conv3d(inputs, outputs, kernel, tuple(stride), padding=kernel // 2)


def norm(channels: int) -> nn.GroupNorm:
    """Return a norm with one group per eight channels."""
    return nn.GroupNorm(max(1, channels // CHANNELS_PER_GROUP), channels)


def activated(channels: int) -> list[nn.Module]:
    """Return norm and LeakyReLU."""
    return [norm(channels), nn.LeakyReLU(SLOPE)]
