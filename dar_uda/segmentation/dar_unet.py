"""DAR-UNet: anisotropic residual 3D U-Net with quartet and voxel-wise attention (paper, section III-B)."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dar_uda.layers.chain import Chain
from dar_uda.segmentation.attention import QuartetAttention, VoxelAttention, activated
from dar_uda.segmentation.convolution import Conv3d
from dar_uda.segmentation.interpolation import resized
from dar_uda.segmentation.normalization import GroupNorm
from dar_uda.training import cuda_options
from dar_uda.training.weights import save_weights

ANISOTROPIC_STRIDES = ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
ISOTROPIC_STRIDES = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))


class ResidualBlock(nn.Module):
    """Three pre-activated convolutions around a convolved skip connection, then quartet attention.

    Args:
        stride: Step per axis (depth, height, width) of the first convolution and of the skip.
        first: The network's first block starts with the convolution: raw intensities are not normalized.

    Shape:
        (N, inputs, D, H, W) to (N, outputs, D / s0, H / s1, W / s2).
    """

    def __init__(self, inputs: int, outputs: int, stride: Sequence[int], qam: bool, first: bool = False) -> None:
        super().__init__()
        self.body = Chain(
            *([] if first else activated(inputs)),
            Conv3d(inputs, outputs, 3, stride),
            *activated(outputs),
            Conv3d(outputs, outputs, 3),
            *activated(outputs),
            Conv3d(outputs, outputs, 3),
        )
        self.skip = Chain(Conv3d(inputs, outputs, 3, stride), GroupNorm(outputs))
        self.attention = QuartetAttention() if qam else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self._sum_on_cuda(x) if cuda_options.on_cuda(x) else self.body(x) + self.skip(x))

    def _sum_on_cuda(self, x: Tensor) -> Tensor:
        """Return the sum of both ways; the norm of the skip adds the last bias of the body, see `Chain`."""
        (y, last_bias), (conv, norm) = self.body.but_last_bias(x), self.skip
        return y + norm(conv.without_bias(x), conv.bias, norm.bias + last_bias)


class DARUNet(nn.Module):
    """Segment a volume; trained with losses on six outputs, predicts with the main output.

    Args:
        classes: Number of classes, background included.
        channels: Channels of the five resolutions.
        anisotropic: Keep the depth in the first levels, as thick slices ask for.
        qam: Quartet attention after every residual block.
        vam: Voxel-wise attention on every skip connection.
        deep_supervision: In training mode, also return the scores of every resolution.

    Shape:
        (N, 1, D, H, W) to scores (N, classes, D, H, W); with deep supervision in training mode a list of six:
        the main output, then from the finest resolution to the bottleneck. D, H, W divide by `divisors`.

    Raises:
        ValueError: A side of the input does not divide.
    """

    def __init__(
        self,
        classes: int,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        anisotropic: bool = True,
        qam: bool = True,
        vam: bool = True,
        deep_supervision: bool = True,
    ) -> None:
        super().__init__()
        self.arguments = {
            "architecture": "dar_unet",
            "classes": classes,
            "channels": list(channels),
            "anisotropic": anisotropic,
            "qam": qam,
            "vam": vam,
            "deep_supervision": deep_supervision,
        }
        self.deep_supervision = deep_supervision
        self.activation_checkpointing = False
        strides = ANISOTROPIC_STRIDES if anisotropic else ISOTROPIC_STRIDES
        self.divisors = tuple(map(math.prod, zip(*strides, strict=True)))
        inputs = [1, *channels]
        self.encoder = nn.ModuleList(
            ResidualBlock(inputs[level], inputs[level + 1], stride, qam, first=level == 0)
            for level, stride in enumerate(strides)
        )
        shallow_to_deep = list(zip(channels, channels[1:], strides[1:], strict=False))
        self.skips = nn.ModuleList(VoxelAttention(e, d, stride, gated=vam) for e, d, stride in shallow_to_deep)
        self.decoder = nn.ModuleList(ResidualBlock(e + d, e, (1, 1, 1), qam) for e, d, _ in shallow_to_deep)
        self.heads = nn.ModuleList(Conv3d(width, classes, 3) for width in channels)
        self.fuse = Conv3d(len(channels) * classes, classes, 3)

    def checkpoint_activations(self) -> None:
        """From now on keep only what passes between blocks for the backward, and compute the rest again there.

        The same gradients in less memory and more time.
        """
        self.activation_checkpointing = True
        for skip in self.skips:
            skip.activation_checkpointing = True

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        self._check(x)
        encoded = []
        feature = x
        for block in self.encoder:
            feature = self._run(block, feature)
            encoded.append(feature)
        decoded = [feature]
        for level in reversed(range(len(self.decoder))):
            feature = self._run(self._decode, level, encoded[level], feature)
            decoded.insert(0, feature)
        scores = [self._full_size(head(f), x) for head, f in zip(self.heads, decoded, strict=True)]
        main_output = self.fuse(torch.cat(scores, dim=1))
        return [main_output, *scores] if self.training and self.deep_supervision else main_output

    def _decode(self, level: int, encoder: Tensor, decoder: Tensor) -> Tensor:
        return self.decoder[level](self.skips[level](encoder, decoder))

    def _run(self, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Return the block's output, its inner activations kept for the backward or made again there."""
        if not (self.activation_checkpointing and torch.is_grad_enabled()):
            return block(*inputs)
        return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=self._contexts)

    def _contexts(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), self._unchanged_statistics()

    @contextmanager
    def _unchanged_statistics(self) -> Iterator[None]:
        """Within the block batch norms leave their running statistics alone: the first pass has updated them."""
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm3d)]
        before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        try:
            yield
        finally:
            for norm, (momentum, count) in zip(norms, before, strict=True):
                norm.momentum, norm.num_batches_tracked = momentum, count

    @staticmethod
    def _full_size(scores: Tensor, x: Tensor) -> Tensor:
        if scores.shape[2:] == x.shape[2:]:
            return scores
        return resized(scores, x.shape[2:])

    def _check(self, x: Tensor) -> None:
        if any(side % divisor for side, divisor in zip(x.shape[2:], self.divisors, strict=True)):
            raise ValueError(f"DAR-221: Patch {tuple(x.shape[2:])} does not divide by {self.divisors}")

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors."""
        save_weights(path, self, self.arguments)
