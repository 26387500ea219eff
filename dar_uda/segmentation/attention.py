"""The two attention modules of DAR-UNet (paper, section III-B): quartet (QAM) and voxel-wise (VAM)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dar_uda.segmentation.convolution import Conv3d, UpConv3d
from dar_uda.segmentation.quartet_ops import KERNEL, MapConvolution, MaxAndMean, WeighByMeanMap

SLOPE = 0.01
# The branches, named by the axis that each reduces, and the axes it sees: the channel axis in the reduced one's place.
BRANCHES = {"C": "DHW", "D": "CHW", "H": "DCW", "W": "DHC"}


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
        axes = "NDHWC" if _is_channels_last(x) else "NCDHW"
        in_memory_order = x.permute(["NCDHW".index(axis) for axis in axes])
        with torch.autocast(x.device.type, enabled=False):
            pooled = dict(zip(axes[1:], MaxAndMean.apply(in_memory_order), strict=True))
            maps = {}
            for (reduced, seen), conv, norm in zip(BRANCHES.items(), self.convs, self.norms, strict=True):
                attention = self._map(pooled[reduced], axes[1:].replace(reduced, ""), seen, conv, norm)
                maps[reduced] = attention.unsqueeze(axes.index(reduced))
            weighted = WeighByMeanMap.apply(in_memory_order, *(maps[axis] for axis in axes[1:]))
        return weighted.permute([axes.index(axis) for axis in "NCDHW"])

    @staticmethod
    def _map(pooled: Tensor, axes: str, seen: str, conv: nn.Conv3d, norm: nn.Module) -> Tensor:
        """Return a branch's map, (N, *axes) as `pooled` has them; the convolution sees them as `seen`."""
        turned = pooled.permute(0, 1, *(2 + axes.index(axis) for axis in seen))
        attention = torch.sigmoid(norm(MapConvolution.apply(turned, conv.weight)))[:, 0]
        return attention.permute(0, *(1 + seen.index(axis) for axis in axes))


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last_3d) and not x.is_contiguous()


class VoxelAttention(nn.Module):
    """Gate a decoder feature by a map from it and the encoder feature, bring it up, and append the encoder's.

    Args:
        encoder_channels: Channels of the encoder feature.
        decoder_channels: Channels of the deeper feature.
        stride: Step per axis between the two.
        gated: False leaves the map out (the ablation).

    Attributes:
        recompute: Make the encoder feature's part again in the backward instead of keeping it.

    Shape:
        (N, C_e, D, H, W), (N, C_d, D / s0, H / s1, W / s2) to (N, C_d + C_e, D, H, W).
    """

    def __init__(self, encoder_channels: int, decoder_channels: int, stride: Sequence[int], gated: bool = True) -> None:
        super().__init__()
        self.gated, self.recompute = gated, False
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
            decoder = decoder * self.to_map(self._pooled(encoder) + self.from_decoder(decoder))
        return torch.cat([self.up(decoder), encoder], dim=1)

    def _pooled(self, encoder: Tensor) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.from_encoder, encoder, use_reentrant=False)
        return self.from_encoder(encoder)


class _MaxPool3d(nn.MaxPool3d):
    """Maximum in the precision of its input: autocast would have it in float32 on a CPU, to no avail."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def activated(channels: int) -> list[nn.Module]:
    """Return the pre-activation of the network: group norm, LeakyReLU."""
    return [normalisation(channels), nn.LeakyReLU(SLOPE, inplace=True)]
