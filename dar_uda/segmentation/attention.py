"""The two attention modules of DAR-UNet (paper, section III-B): quartet (QAM) and voxel-wise (VAM)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dar_uda.segmentation.convolution import Conv3d, UpConv3d
from dar_uda.segmentation.quartet_ops import KERNEL, MapConvolution, MaxAndMean, WeighByMeanMap

SLOPE = 0.01
# Per branch: the axis that is reduced, and how the three axes left are ordered, as axes of (N, C, D, H, W).
# The channel axis takes the place of the reduced one.
BRANCHES = ((1, (2, 3, 4)), (2, (1, 3, 4)), (3, (2, 1, 4)), (4, (2, 3, 1)))


def normalisation(channels: int) -> nn.GroupNorm:
    """Return group norm with one group per eight channels."""
    return nn.GroupNorm(max(1, channels // 8), channels)


class QuartetAttention(nn.Module):
    """Weigh a feature by the mean of four maps, each blind to one axis: channel, depth, height, width.

    The paper's mean of four products is x times the mean of the four maps: no transposed copy of x is made. The maps
    are computed in float32 also under autocast.

    Shape:
        (N, C, D, H, W) to the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(2, 1, KERNEL, padding=KERNEL // 2, bias=False) for _ in BRANCHES)
        self.norms = nn.ModuleList(nn.BatchNorm3d(1, eps=1e-5, momentum=0.01) for _ in BRANCHES)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            pooled = MaxAndMean.apply(x)
            branches = zip(BRANCHES, pooled, self.convs, self.norms, strict=True)
            return WeighByMeanMap.apply(x, *(self._map(*branch) for branch in branches))

    @staticmethod
    def _map(branch: tuple[int, Sequence[int]], pooled: Tensor, conv: nn.Conv3d, norm: nn.Module) -> Tensor:
        """Return one branch's map, of extent 1 along the reduced axis."""
        axis, order = branch
        kept = [kept for kept in range(1, 5) if kept != axis]
        places = [kept.index(place) for place in order]
        seen = pooled.permute(0, 1, *(2 + place for place in places))
        attention = torch.sigmoid(norm(MapConvolution.apply(seen, conv.weight)))[:, 0]
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
                Conv3d(encoder_channels, decoder_channels, 3),
                _MaxPool3d(tuple(stride)),
            )
            self.from_decoder = nn.Sequential(
                *activated(decoder_channels), Conv3d(decoder_channels, decoder_channels, 3)
            )
            self.to_map = nn.Sequential(*activated(decoder_channels), Conv3d(decoder_channels, 1, 1))
        self.up = UpConv3d(decoder_channels, stride)

    def forward(self, encoder: Tensor, decoder: Tensor) -> Tensor:
        if self.gated:
            decoder = decoder * self.to_map(self.from_encoder(encoder) + self.from_decoder(decoder))
        return torch.cat([self.up(decoder), encoder], dim=1)


class _MaxPool3d(nn.MaxPool3d):
    """Maximum in the precision of its input: autocast would have it in float32 on a CPU, to no avail."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def activated(channels: int) -> list[nn.Module]:
    """Return the pre-activation of the network: group norm, LeakyReLU."""
    return [normalisation(channels), nn.LeakyReLU(SLOPE, inplace=True)]
