"""Networks of the content/style disentangling translator (paper, section III-A; MUNIT family).

Images are (N, 1, H, W) in [-1, 1]; content codes (N, 4 width, H / 4, W / 4); style codes (N, style_dim).
Every convolution that pads, pads with zeros, as in the paper's reference code.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, channels_last, contiguous_format, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from dar_uda.layers.chain import Chain, Convolution, Norm, of_channels
from dar_uda.layers.norm import norm_and_activation
from dar_uda.training import cuda_options

SLOPE = 0.2
EPS = 1e-5
IMAGE_DISCRIMINATOR_SCALES, IMAGE_DISCRIMINATOR_DEPTH, CONTENT_DISCRIMINATOR_DEPTH = 3, 5, 4
SMALLEST_STYLE_IMAGE, SMALLEST_DISCRIMINATOR_IMAGE, SMALLEST_CONTENT_IMAGE = 64, 16, 44


class Conv2d(nn.Conv2d, Convolution):
    """`nn.Conv2d`, on features laid as `choices` says."""

    def forward(self, x: Tensor) -> Tensor:
        return _laid(super().forward(_laid(x)))

    def without_bias(self, x: Tensor) -> Tensor:
        return _laid(self._conv_forward(_laid(x), self.weight, None))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> Conv2d:
    return Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)


def _laid(x: Tensor) -> Tensor:
    """Return a feature as the convolutions of its device want it; an image has one channel and lies both ways."""
    if not cuda_options.on_cuda(x) or x.shape[1] == 1:
        return x
    return x.contiguous(memory_format=channels_last if cuda_options.made().channels_last else contiguous_format)


class _LaidGradient(Function):
    """x itself, and its gradient laid as `choices` says."""

    @staticmethod
    def forward(_: FunctionCtx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(_: FunctionCtx, gradient: Tensor) -> Tensor:
        return _laid(gradient)


class InstanceNorm(nn.InstanceNorm2d, Norm):
    """Affine `nn.InstanceNorm2d`, then LeakyReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        if cuda_options.on_cuda(x):
            return norm_and_activation(x, self.weight, self.bias, x.shape[1], self.eps, SLOPE, shift)[0]
        return F.leaky_relu(super().forward(x), SLOPE, inplace=True)


def _activated(channels: int) -> list[nn.Module]:
    """Return instance norm with LeakyReLU.

    The second module keeps the place, and so the names of the weights after it, that LeakyReLU has in weights files.
    """
    return [InstanceNorm(channels), nn.Identity()]


class UpsampledConv(nn.Conv2d, Convolution):
    """Nearest-neighbor upsampling by 2, then a 5 x 5 convolution padded with two pixels of zeros.

    Computed as one 3 x 3 convolution of the small image to the four pixels of each 2 x 2 block, a quarter of the pixels
    at 36/25 of the products per pixel: each of its weights is the sum of those that meet the same small pixel. A border
    of one zero pixel around the small image is one of two around the large image, so that the borders agree as well.

    Shape:
        (N, inputs, H, W) to (N, outputs, 2 H, 2 W).
    """

    # [even or odd output pixel, small pixel to the left, here or to the right, weight]
    FOLD = (
        ((1, 1, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1)),
        ((1, 0, 0, 0, 0), (0, 1, 1, 0, 0), (0, 0, 0, 1, 1)),
    )

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 5, padding=2)
        line = torch.tensor(self.FOLD, dtype=torch.get_default_dtype())
        self.register_buffer("fold", torch.einsum("pak,qbl->pqabkl", line, line), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if cuda_options.on_cuda(x):
            return self.without_bias(x) + of_channels(self.bias, x)
        return F.pixel_shuffle(F.conv2d(x, self._folded("opq"), self.bias.repeat_interleave(4), padding=1), 2)

    def without_bias(self, x: Tensor) -> Tensor:
        """For GPUs: there `pixel_shuffle` would turn channels-last into contiguous."""
        blocks = F.conv2d(_laid(x), self._folded("pqo"), padding=1).permute(0, 2, 3, 1).unflatten(3, (2, 2, -1))
        return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)

    def _folded(self, order: str) -> Tensor:
        """Return the weight (4 outputs, inputs, 3, 3), its outputs o for each pixel (p, q) of a block in this order."""
        weight = torch.einsum(f"pqabkl,oikl->{order}iab", self.fold, self.weight)
        return weight.reshape(-1, self.in_channels, 3, 3)


class NormalizedConv(Chain):
    """Convolution, affine instance norm, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(
            _conv(inputs, outputs, kernel, stride),
            *_activated(outputs),
        )


class ResidualBlock(nn.Module):
    """Pre-activated residual block; (x + body(x)) / sqrt(2) keeps the variance."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = Chain(
            *_activated(channels),
            _conv(channels, channels, 3),
            *_activated(channels),
            _conv(channels, channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.body(x)) / math.sqrt(2)


class ContentEncoder(nn.Sequential):
    """Encode anatomy, for both domains.

    On a GPU the gradient of the code comes back as the code lies, since losses return it contiguous.

    Shape:
        (N, 1, H, W) to (N, 4 width, H / 4, W / 4).
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__(
            NormalizedConv(1, width, 7, 1),
            NormalizedConv(width, 2 * width, 4, 2),
            NormalizedConv(2 * width, 4 * width, 4, 2),
            *(ResidualBlock(4 * width) for _ in range(4)),
        )

    def forward(self, x: Tensor) -> Tensor:
        code = super().forward(x)
        return _LaidGradient.apply(code) if cuda_options.on_cuda(x) else code


class StyleEncoder(nn.Module):
    """Encode the look of one domain's image as one vector.

    Args:
        statistics: Let the code see the image's mean and standard deviation, which instance norm takes out of every
            layer; the paper's does not.

    Shape:
        (N, 1, H, W) to (N, style_dim); H and W at least 64.
    """

    def __init__(self, width: int = 32, style_dim: int = 8, statistics: bool = False) -> None:
        super().__init__()
        channels = [width, 2 * width, 4 * width, 4 * width, 4 * width, 4 * width]
        self.features = nn.Sequential(
            NormalizedConv(1, width, 7, 1),
            *(NormalizedConv(i, o, 4, 2) for i, o in zip(channels, channels[1:], strict=False)),
            nn.AdaptiveAvgPool2d(1),
        )
        self.statistics = statistics
        self.code = nn.Conv2d(4 * width + 2 * statistics, style_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        _require_size("The style encoder", min(x.shape[-2:]), SMALLEST_STYLE_IMAGE)
        features = self.features(x)
        if self.statistics:
            std, mean = torch.std_mean(x.float(), dim=(2, 3), keepdim=True)
            features = torch.cat([features, mean, std], dim=1)
        return self.code(features).flatten(1)


def adaptive_activation(x: Tensor, scale: Tensor, shift: Tensor, left: Tensor | None = None) -> Tensor:
    """Return LeakyReLU of (1 + scale) * instance-normalized x + shift.

    Args:
        x: (N, C, H, W).
        scale: (N, C).
        shift: (N, C).
        left: The bias, (C,), that the convolution before has left to this norm; on a GPU alone.
    """
    batch, channels = scale.shape
    if cuda_options.on_cuda(x):
        precise = torch.promote_types(scale.dtype, torch.float32)
        return norm_and_activation(x, 1 + scale.to(precise), shift.to(precise), channels, EPS, SLOPE, left)[0]
    flat = x.reshape(1, batch * channels, *x.shape[2:])
    normalized = F.instance_norm(flat, weight=(1 + scale).reshape(-1), bias=shift.reshape(-1), eps=EPS)
    return F.leaky_relu(normalized.view_as(x), SLOPE)


class Decoder(nn.Module):
    """Draw the anatomy of a content code in the look of a style code.

    Every normalization is adaptive; its scales and shifts come from one small network on the style code.

    Shape:
        (N, 4 width, H / 4, W / 4), (N, style_dim) to (N, 1, H, W) in (-1, 1).
    """

    def __init__(self, width: int = 32, style_dim: int = 8) -> None:
        super().__init__()
        deep = 4 * width
        self.residual = nn.ModuleList(_conv(deep, deep, 3) for _ in range(8))
        self.up = nn.ModuleList([UpsampledConv(deep, 2 * width), UpsampledConv(2 * width, width)])
        self.last = _conv(width, 1, 7)
        self.channels = [deep] * 9 + [2 * width, width]
        self.style = nn.Sequential(
            nn.Linear(style_dim, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 2 * sum(self.channels))
        )

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.style(style).chunk(2, dim=1)
        norms = iter(zip(scale.split(self.channels, dim=1), shift.split(self.channels, dim=1), strict=True))

        def activate(x: Tensor) -> Tensor:
            return adaptive_activation(x, *next(norms))

        def activated(conv: Conv2d | UpsampledConv, x: Tensor) -> Tensor:
            if cuda_options.on_cuda(x):
                return adaptive_activation(conv.without_bias(x), *next(norms), conv.bias)
            return activate(conv(x))

        x = content
        for first, second in zip(self.residual[::2], self.residual[1::2], strict=True):
            x = (x + second(activated(first, activate(x)))) / math.sqrt(2)
        x = activate(x)
        for conv in self.up:
            x = activated(conv, x)
        return torch.tanh(self.last(x))


class ImageDiscriminator(nn.Module):
    """Judge patches of one domain's images at up to three scales.

    Scales and depth are the paper's at 512 pixels; smaller images use as many as leave every normalized map
    at least 2 x 2.

    Args:
        image_size: Smaller side of the images, in pixels; at least 16.

    Shape:
        (N, 1, H, W) to a list of score maps (N, 1, h, w), one per scale.
    """

    def __init__(self, width: int = 32, image_size: int = 512) -> None:
        super().__init__()
        _require_size("The image discriminator", image_size, SMALLEST_DISCRIMINATOR_IMAGE)
        sizes = [math.ceil(image_size / 2**scale) for scale in range(IMAGE_DISCRIMINATOR_SCALES)]
        depths = [min(IMAGE_DISCRIMINATOR_DEPTH, int(math.log2(size)) - 1) for size in sizes if size >= 16]
        self.scales = nn.ModuleList(self._scale(width, depth) for depth in depths)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    @staticmethod
    def _scale(width: int, depth: int) -> Chain:
        channels = [1] + [width * min(8, 2**level) for level in range(depth)]
        layers: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(zip(channels, channels[1:], strict=False)):
            layers.append(Conv2d(inputs, outputs, 4, stride=2, padding=1))
            layers += _activated(outputs) if level > 0 else [nn.LeakyReLU(SLOPE, inplace=True)]
        return Chain(*layers, Conv2d(channels[-1], 1, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        scores = []
        for scale in self.scales:
            scores.append(scale(x))
            x = self.pool(x)
        return scores


class ContentDiscriminator(Chain):
    """Judge from which domain a content code comes.

    Four strided convolutions at 512 pixels; smaller images use as many as leave the last map at least 3 x 3.

    Args:
        image_size: Smaller side of the images (not of the codes), in pixels; at least 44.

    Shape:
        (N, 4 width, H / 4, W / 4) to (N, 1, h, w).
    """

    def __init__(self, width: int = 32, image_size: int = 512) -> None:
        _require_size("The content discriminator", image_size, SMALLEST_CONTENT_IMAGE)
        channels, size, layers = 4 * width, image_size // 4, []
        while len(layers) < 3 * CONTENT_DISCRIMINATOR_DEPTH and (size := (size - 7) // 2 + 1) >= 3:
            layers += [
                Conv2d(channels, channels, 7, stride=2),
                *_activated(channels),
            ]
        super().__init__(*layers, Conv2d(channels, 1, 3))


def initialize(module: nn.Module) -> None:
    """Kaiming-normal weights (fan-in, a = 0) for every convolution and linear layer; biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=0, mode="fan_in")
            nn.init.zeros_(layer.bias)


def _require_size(who: str, size: int, smallest: int) -> None:
    if size < smallest:
        raise ValueError(f"DAR-220: {who} got images of {size} pixels; the smallest it can work on is {smallest}")
