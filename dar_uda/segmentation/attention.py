"""The two attention modules of DAR-UNet (paper, section III-B): quartet (QAM) and voxel-wise (VAM)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, contiguous_format, nn
from torch.utils.checkpoint import checkpoint

from dar_uda.layers.chain import Chain
from dar_uda.segmentation.convolution import Conv3d, UpConv3d
from dar_uda.segmentation.memory_format import Relaid, memory_format_of
from dar_uda.segmentation.normalization import SLOPE, GroupNorm, JointBatchNorm
from dar_uda.segmentation.quartet_ops import KERNEL, convolve_map, max_and_mean, weigh_by_mean_map
from dar_uda.training import cuda_options

SEEN = ("DHW", "CHW", "DCW", "DHC")
"""The axes that the branches see, the one that reduces C first, then those of D, H and W: C stands in their place."""


class QuartetAttention(nn.Module):
    """Weigh a feature by the mean of four maps, each blind to one axis: channel, depth, height, width.

    The paper's mean of four products is x times the mean of the four maps: no transposed copy of x is made. The maps
    are convolved in the precision of x and normalized with statistics in that of the weights, also under autocast.

    Shape:
        (N, C, D, H, W) to the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(2, 1, KERNEL, padding=KERNEL // 2, bias=False) for _ in SEEN)
        self.norms = nn.ModuleList(JointBatchNorm(1, eps=1e-5, momentum=0.01) for _ in SEEN)

    def forward(self, x: Tensor) -> Tensor:
        memory_format = memory_format_of(x)
        with torch.autocast(x.device.type, enabled=False):
            x = Relaid.apply(x, memory_format, contiguous_format)
            x, *pooled = max_and_mean(x)
            branches = zip(pooled, SEEN, self.convs, self.norms, strict=True)
            maps = [self._map(*branch) for branch in branches]
            return Relaid.apply(weigh_by_mean_map(x, *maps), contiguous_format, memory_format)

    @staticmethod
    def _map(pooled: Tensor, axes: str, conv: nn.Conv3d, norm: nn.Module) -> Tensor:
        """Return a branch's map, broadcastable to x; the convolution sees the axes as named."""
        (reduced,) = set("CDHW") - set(axes)
        left = "CDHW".replace(reduced, "")
        turned = pooled.permute(0, 1, *(2 + left.index(axis) for axis in axes))
        convolved = convolve_map(turned, conv.weight)
        if not cuda_options.on_cuda(convolved):  # there a batch norm takes bfloat16 and keeps its statistics in float32
            convolved = convolved.to(conv.weight.dtype)
        attention = torch.sigmoid(norm(convolved)).squeeze(1).permute(0, *(1 + axes.index(axis) for axis in left))
        return attention.unsqueeze("NCDHW".index(reduced))


class VoxelAttention(nn.Module):
    """Gate a decoder feature by a map from it and the encoder feature, bring it up, and append the encoder's.

    Args:
        encoder_channels: Channels of the encoder feature.
        decoder_channels: Channels of the deeper feature.
        stride: Step per axis between the two.
        gated: False leaves the map out (the ablation).

    Attributes:
        activation_checkpointing: Make the encoder feature's part again in the backward instead of keeping it.

    Shape:
        (N, C_e, D, H, W), (N, C_d, D / s0, H / s1, W / s2) to (N, C_d + C_e, D, H, W).
    """

    def __init__(self, encoder_channels: int, decoder_channels: int, stride: Sequence[int], gated: bool = True) -> None:
        super().__init__()
        self.gated, self.activation_checkpointing = gated, False
        if gated:
            self.from_encoder = Chain(
                *activated(encoder_channels),
                Conv3d(encoder_channels, decoder_channels, 3),
                _MaxPool3d(tuple(stride)),
            )
            self.from_decoder = Chain(*activated(decoder_channels), Conv3d(decoder_channels, decoder_channels, 3))
            self.to_map = Chain(*activated(decoder_channels), Conv3d(decoder_channels, 1, 1))
        self.up = UpConv3d(decoder_channels, stride)

    def forward(self, encoder: Tensor, decoder: Tensor) -> Tensor:
        if self.gated:
            decoder = decoder * (self._map_on_cuda if cuda_options.on_cuda(encoder) else self._map)(encoder, decoder)
        return torch.cat([self.up(decoder), encoder], dim=1)

    def _map(self, encoder: Tensor, decoder: Tensor) -> Tensor:
        return self.to_map(self._pooled(self.from_encoder, encoder) + self.from_decoder(decoder))

    def _map_on_cuda(self, encoder: Tensor, decoder: Tensor) -> Tensor:
        """Return the same; the norm of `to_map` adds the last biases of both ways, see `Chain`."""
        *to_convolution, pool = self.from_encoder
        chain = Chain(*to_convolution)
        pooled = self._pooled(lambda x: pool(chain.but_last_bias(x)[0]), encoder)
        brought, bias = self.from_decoder.but_last_bias(decoder)
        return self.to_map(pooled + brought, bias + to_convolution[-1].bias)

    def _pooled(self, way: Callable[[Tensor], Tensor], encoder: Tensor) -> Tensor:
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(way, encoder, use_reentrant=False, preserve_rng_state=False)
        return way(encoder)


class _MaxPool3d(nn.MaxPool3d):
    """Maximum in the precision of its input: autocast would have it in float32 on a CPU, to no avail."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def activated(channels: int) -> list[nn.Module]:
    """Return the pre-activation of the network: group norm with LeakyReLU.

    The second module keeps the place, and so the names of the weights after it, that LeakyReLU has in weights files.
    """
    return [GroupNorm(channels, SLOPE), nn.Identity()]
