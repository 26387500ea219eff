"""The two attention modules of DAR-UNet (paper, section III-B): quartet (QAM) and voxel-wise (VAM)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.01
KERNEL = 7
# Per branch: the axis that is reduced, and how the three axes left are ordered, as axes of (N, C, D, H, W).
# The channel axis takes the place of the reduced one.
BRANCHES = ((1, (2, 3, 4)), (2, (1, 3, 4)), (3, (2, 1, 4)), (4, (2, 3, 1)))


def normalisation(channels: int) -> nn.GroupNorm:
    """Return group norm with one group per eight channels."""
    return nn.GroupNorm(max(1, channels // 8), channels)


class MapConv(nn.Conv3d):
    """7 x 7 x 7 convolution of two channels to one, as a 2D convolution of the depth taps and a shifted sum.

    The same values as `nn.Conv3d(2, 1, 7, padding=3, bias=False)`, several times faster.

    Shape:
        (N, 2, A, B, C) to (N, 1, A, B, C).
    """

    def __init__(self) -> None:
        super().__init__(2, 1, KERNEL, padding=KERNEL // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, depth, height, width = x.shape
        planes = x.transpose(1, 2).reshape(batch * depth, 2, height, width)
        taps = F.conv2d(planes, self.weight[0].transpose(0, 1), padding=KERNEL // 2)
        taps = taps.view(batch, depth, KERNEL, height, width)
        padded = F.pad(taps, (0, 0, 0, 0, 0, 0, KERNEL // 2, KERNEL // 2))
        return sum(padded[:, tap : tap + depth, tap] for tap in range(KERNEL))[:, None]


class QuartetAttention(nn.Module):
    """Weigh a feature by the mean of four maps, each blind to one axis: channel, depth, height, width.

    The paper's mean of four products is x times the mean of the four maps.

    Shape:
        (N, C, D, H, W) to the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(MapConv() for _ in BRANCHES)
        self.norms = nn.ModuleList(nn.BatchNorm3d(1, eps=1e-5, momentum=0.01) for _ in BRANCHES)

    def forward(self, x: Tensor) -> Tensor:
        maps = (
            self._map(x, axis, order, conv, norm)
            for (axis, order), conv, norm in zip(BRANCHES, self.convs, self.norms, strict=True)
        )
        return x * (sum(maps) / len(BRANCHES))

    @staticmethod
    def _map(x: Tensor, axis: int, order: Sequence[int], conv: nn.Module, norm: nn.Module) -> Tensor:
        """Return one branch's map, of extent 1 along the reduced axis."""
        reduced = torch.stack([x.amax(axis), x.mean(axis)], dim=1)
        kept = [kept for kept in range(1, 5) if kept != axis]
        places = [kept.index(place) for place in order]
        attention = torch.sigmoid(norm(conv(reduced.permute(0, 1, *(2 + place for place in places)))))[:, 0]
        return attention.permute(0, *(1 + places.index(place) for place in range(3))).unsqueeze(axis)


class VoxelAttention(nn.Module):
    """Gate a decoder feature by a map from it and the encoder feature, bring it up, and append the encoder's.

    Args:
        encoder_channels: Channels of the encoder feature.
        decoder_channels: Channels of the deeper feature.
        stride: Step per axis between the two.
        gated: False leaves the map out (the ablation).

    Shape:
        (N, C_e, D, H, W), (N, C_d, D / s0, H / s1, W / s2) to (N, C_d + C_e, D, H, W).
    """

    def __init__(self, encoder_channels: int, decoder_channels: int, stride: Sequence[int], gated: bool = True) -> None:
        super().__init__()
        self.gated = gated
        if gated:
            self.from_encoder = nn.Sequential(
                *activated(encoder_channels),
                nn.Conv3d(encoder_channels, decoder_channels, 3, padding=1),
                nn.MaxPool3d(tuple(stride)),
            )
            self.from_decoder = nn.Sequential(
                *activated(decoder_channels), nn.Conv3d(decoder_channels, decoder_channels, 3, padding=1)
            )
            self.to_map = nn.Sequential(*activated(decoder_channels), nn.Conv3d(decoder_channels, 1, 1))
        self.up = nn.ConvTranspose3d(
            decoder_channels,
            decoder_channels,
            3,
            tuple(stride),
            padding=1,
            output_padding=tuple(step - 1 for step in stride),
        )

    def forward(self, encoder: Tensor, decoder: Tensor) -> Tensor:
        if self.gated:
            decoder = decoder * self.to_map(self.from_encoder(encoder) + self.from_decoder(decoder))
        return torch.cat([self.up(decoder), encoder], dim=1)


def activated(channels: int) -> list[nn.Module]:
    """Return the pre-activation of the network: group norm, LeakyReLU."""
    return [normalisation(channels), nn.LeakyReLU(SLOPE, inplace=True)]
