"""The five networks are those of the paper's reference code: its layers, one after the other, in torch's plain ones."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dar_uda.translation.networks import (
    ContentDiscriminator,
    ContentEncoder,
    Decoder,
    ImageDiscriminator,
    StyleEncoder,
)

W, STYLE = 2, 8


def conv_norm(inputs, outputs, kernel, stride, padding):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.LeakyReLU(0.2),
    ]


class Residual(nn.Sequential):
    def __init__(self, channels, norm):
        layers = [[norm(), nn.LeakyReLU(0.2), nn.Conv2d(channels, channels, 3, 1, 1)] for _ in range(2)]
        super().__init__(*layers[0], *layers[1])

    def forward(self, x):
        return (super().forward(x) + x) / 2**0.5


def content_encoder():
    down = [*conv_norm(1, W, 7, 1, 3), *conv_norm(W, 2 * W, 4, 2, 1), *conv_norm(2 * W, 4 * W, 4, 2, 1)]
    return nn.Sequential(*down, *(Residual(4 * W, lambda: nn.InstanceNorm2d(4 * W, affine=True)) for _ in range(4)))


def style_encoder():
    layers = [*conv_norm(1, W, 7, 1, 3), *conv_norm(W, 2 * W, 4, 2, 1), *conv_norm(2 * W, 4 * W, 4, 2, 1)]
    for _ in range(3):
        layers += conv_norm(4 * W, 4 * W, 4, 2, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(4 * W, STYLE, 1), nn.Flatten())


class AdaptiveNorm(nn.Module):
    """(1 + scale) times the instance-normalized input, plus shift: set before each pass."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return (1 + self.scale[:, :, None, None]) * nn.InstanceNorm2d(self.channels)(x) + self.shift[:, :, None, None]


class ReferenceDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        blocks = [Residual(4 * W, lambda: AdaptiveNorm(4 * W)) for _ in range(4)]
        layers = [*blocks, AdaptiveNorm(4 * W), nn.LeakyReLU(0.2)]
        for inputs, outputs in ((4 * W, 2 * W), (2 * W, W)):
            layers += [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inputs, outputs, 5, 1, 2)]
            layers += [AdaptiveNorm(outputs), nn.LeakyReLU(0.2)]
        self.image = nn.Sequential(*layers, nn.Conv2d(W, 1, 7, 1, 3), nn.Tanh())
        self.norms = [layer for layer in self.image.modules() if isinstance(layer, AdaptiveNorm)]
        numbers = 2 * sum(norm.channels for norm in self.norms)
        self.mlp = nn.Sequential(
            nn.Linear(STYLE, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, numbers)
        )

    def forward(self, content, style):
        channels = [norm.channels for norm in self.norms]
        scales, shifts = (half.split(channels, dim=1) for half in self.mlp(style).chunk(2, dim=1))
        for norm, scale, shift in zip(self.norms, scales, shifts, strict=True):
            norm.scale, norm.shift = scale, shift
        return self.image(content)


class ReferenceImageDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.scales = nn.ModuleList(self.scale() for _ in range(3))

    def scale(self):
        layers = [nn.Conv2d(1, W, 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in ((1, 2), (2, 4), (4, 8), (8, 8)):
            layers += conv_norm(inputs * W, outputs * W, 4, 2, 1)
        return nn.Sequential(*layers, nn.Conv2d(8 * W, 1, 1))

    def forward(self, x):
        half = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        quarter = F.avg_pool2d(half, 3, 2, 1, count_include_pad=False)
        return [scale(image) for scale, image in zip(self.scales, (x, half, quarter), strict=True)]


def content_discriminator():
    layers = [layer for _ in range(4) for layer in conv_norm(4 * W, 4 * W, 7, 2, 0)]
    return nn.Sequential(*layers, nn.Conv2d(4 * W, 1, 3))


CONTENT = (2, 4 * W, 16, 20)
NETWORKS = {
    "content encoder": (lambda: ContentEncoder(W), content_encoder, [(2, 1, 64, 80)]),
    "style encoder": (lambda: StyleEncoder(W, STYLE), style_encoder, [(2, 1, 64, 80)]),
    "decoder": (lambda: Decoder(W, STYLE), ReferenceDecoder, [CONTENT, (2, STYLE)]),
    "image discriminator": (lambda: ImageDiscriminator(W, 256), ReferenceImageDiscriminator, [(2, 1, 256, 272)]),
    "content discriminator": (lambda: ContentDiscriminator(W, 492), content_discriminator, [(2, 4 * W, 123, 130)]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_references(name):
    """From the same weights, the norms' too: the same outputs and gradients of weights and inputs, in float64."""
    torch.manual_seed(0)
    build, build_reference, shapes = NETWORKS[name]
    ours, reference = build().double(), build_reference().double()
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
            assert mine.shape == theirs.shape
            theirs.normal_(0, theirs[0].numel() ** -0.5)
            mine.copy_(theirs)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    found = []
    for network in (ours, reference):
        outputs = network(*inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        loss = sum((output * (1 + output)).mean() for output in outputs)
        found.append((outputs, torch.autograd.grad(loss, [*network.parameters(), *inputs])))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-12, atol=1e-12)
    largest = max(float(gradient.abs().max()) for gradient in found[1][1])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-9, atol=1e-12 * largest)
