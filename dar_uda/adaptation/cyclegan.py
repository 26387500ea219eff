"""CycleGAN's networks (Zhu et al., ICCV 2017): two generators, and the discriminators of their images.

The generators pad by reflection, as the code of the authors does, and that of SynSeg-Net.

Images are (N, 1, H, W) in [-1, 1].
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dar_uda.training.weights import load_weights, save_weights

SLOPE = 0.2
INITIAL_DEVIATION = 0.02
DISCRIMINATOR_WIDTHS = (1, 2, 4, 8)
GeneratorName = Literal["AtoB", "BtoA"]


class ResidualBlock(nn.Module):
    """Two padded 3 x 3 convolutions with instance norm, added to the input.

    Args:
        is_cut: Whether the sum is cut off below 0.
        options: As in `normalized`.
    """

    def __init__(self, channels: int, is_cut: bool = False, **options: Any) -> None:
        super().__init__()
        first, second = (normalized(channels, channels, 3, **options) for _ in range(2))
        self.body, self.is_cut = nn.Sequential(*first, *second[:-1]), is_cut

    def forward(self, x: Tensor) -> Tensor:
        total = x + self.body(x)
        return total.relu() if self.is_cut else total


def normalized(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    padding_mode: str = "reflect",
    affine: bool = False,
    dropout: float = 0.0,
    bias: bool = True,
) -> list[nn.Module]:
    """Return convolution, instance norm, ReLU; `padding_mode` at the borders where the size stays, else zeros.

    Args:
        dropout: Probability with which a value between convolution and norm is dropped.
    """
    mode = padding_mode if stride == 1 else "zeros"
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias, padding_mode=mode)
    dropped = [nn.Dropout(dropout)] if dropout else []
    return [conv, *dropped, nn.InstanceNorm2d(outputs, affine=affine), nn.ReLU(inplace=True)]


def upsampled(inputs: int, outputs: int, affine: bool = False) -> list[nn.Module]:
    """Return transposed convolution to twice the size, instance norm, ReLU."""
    conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [conv, nn.InstanceNorm2d(outputs, affine=affine), nn.ReLU(inplace=True)]


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
            *normalized(1, width, 7),
            *normalized(width, 2 * width, 3, 2),
            *normalized(2 * width, 4 * width, 3, 2),
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *upsampled(4 * width, 2 * width),
            *upsampled(2 * width, width),
            nn.Conv2d(width, 1, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )


class PatchDiscriminator(nn.Sequential):
    """Score overlapping patches of 70 x 70 pixels (PatchGAN).

    Args:
        inputs: Channels of the images.
        outputs: Scores of each patch.
        padding: Pixels of zeros around the input of each convolution.
        affine: Whether instance norms have a scale and a shift.
        bias: Whether convolutions have one.

    Shape:
        (N, inputs, H, W) to a map of scores; with a padding of 1 (N, outputs, H / 8 - 2, W / 8 - 2), sides of at
        least 32.
    """

    def __init__(
        self,
        width: int = 64,
        inputs: int = 1,
        outputs: int = 1,
        padding: int = 1,
        affine: bool = False,
        bias: bool = True,
    ) -> None:
        channels = [inputs, *(width * factor for factor in DISCRIMINATOR_WIDTHS)]
        layers: list[nn.Module] = []
        for level, (fine, coarse) in enumerate(zip(channels, channels[1:], strict=False)):
            layers.append(nn.Conv2d(fine, coarse, 4, stride=2 if level < 3 else 1, padding=padding, bias=bias))
            if level > 0:
                layers.append(nn.InstanceNorm2d(coarse, affine=affine))
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        super().__init__(*layers, nn.Conv2d(channels[-1], outputs, 4, padding=padding, bias=bias))


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
