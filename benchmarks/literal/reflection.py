"""The translator's networks as they were before their convolutions padded with zeros, as in the reference code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dar_uda.translation.networks import UpsampledConv


def reflect(network: nn.Module) -> None:
    """Have the convolutions of encoders and decoder reflect their input at the borders; upsampling ones repeat it."""
    for layer in network.modules():
        if isinstance(layer, UpsampledConv):
            layer.__class__ = ReplicatedUpsampledConv
        elif isinstance(layer, nn.Conv2d):
            layer.padding_mode = "reflect"


class ReplicatedUpsampledConv(UpsampledConv):
    """Nearest-neighbor upsampling by 2, then a 5 x 5 convolution; borders are replicated."""

    def forward(self, x: Tensor) -> Tensor:
        fold = self.weight.new_tensor(self.FOLD)
        weight = torch.einsum("pak,qbl,oikl->opqiab", fold, fold, self.weight).reshape(-1, self.in_channels, 3, 3)
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.pixel_shuffle(F.conv2d(padded, weight, self.bias.repeat_interleave(4)), 2)
