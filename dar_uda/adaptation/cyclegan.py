"""CycleGAN's networks (Zhu et al., ICCV 2017): two generators, and the discriminators of their images.

The generators pad by reflection, as the code of the authors does, and that of SynSeg-Net.

Images are (N, 1, H, W) in [-1, 1].
"""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from dar_uda.training.weights import load_weights, save_weights

SLOPE = 0.2
INITIAL_DEVIATION = 0.02
DISCRIMINATOR_WIDTHS = (1, 2, 4, 8)
GeneratorName = Literal["AtoB", "BtoA"]


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions with instance norm, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_normalized(channels, channels, 3), *_normalized(channels, channels, 3)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _normalized(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return convolution, instance norm, ReLU; reflection at the borders where the size stays."""
    mode = "reflect" if stride == 1 else "zeros"
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, padding_mode=mode)
    return [conv, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


def _upsampled(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [conv, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


class ResNetGenerator(nn.Sequential):
    """Translate images: two strided convolutions, residual blocks, two transposed convolutions, tanh.

    Args:
        width: Channels of the first layer; the paper's 64.
        blocks: Residual blocks; the paper has 9 from 256 pixels on, 6 below.

    Shape:
        (N, 1, H, W) to the same; H and W divide by 4.
    """

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__(
            *_normalized(1, width, 7),
            *_normalized(width, 2 * width, 3, 2),
            *_normalized(2 * width, 4 * width, 3, 2),
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *_upsampled(4 * width, 2 * width),
            *_upsampled(2 * width, width),
            nn.Conv2d(width, 1, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )


class PatchDiscriminator(nn.Sequential):
    """Judge overlapping patches of 70 x 70 pixels (PatchGAN).

    Shape:
        (N, 1, H, W) to a map of scores (N, 1, H / 8 - 2, W / 8 - 2); sides of at least 32.
    """

    def __init__(self, width: int = 64) -> None:
        channels = [1, *(width * factor for factor in DISCRIMINATOR_WIDTHS)]
        layers: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(zip(channels, channels[1:], strict=False)):
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2 if level < 3 else 1, padding=1))
            if level > 0:
                layers.append(nn.InstanceNorm2d(outputs))
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        super().__init__(*layers, nn.Conv2d(channels[-1], 1, 4, padding=1))


class CycleGAN(nn.Module):
    """A generator per direction, `AtoB` and `BtoA` as in the authors' code; what synthesis needs, and its file."""

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.arguments = {"width": width, "blocks": blocks}
        self.generators = nn.ModuleDict({generator: ResNetGenerator(width, blocks) for generator in ("AtoB", "BtoA")})
        initialize(self)

    def forward(self, images: Tensor, generator: GeneratorName) -> Tensor:
        return self.generators[generator](images)

    def save(self, path: str | Path) -> None:
        """Write the weights as safetensors."""
        save_weights(path, self, self.arguments)

    @classmethod
    def load(cls, path: str | Path, device: torch.device) -> "CycleGAN":
        """Return the generators of a weights file, ready to translate."""
        state, arguments = load_weights(path)
        network = cls(**arguments)
        network.load_state_dict(state)
        return network.to(device).eval()


def initialize(module: nn.Module) -> None:
    """Normal weights of deviation 0.02 for every convolution; biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, INITIAL_DEVIATION)
            nn.init.zeros_(layer.bias)
