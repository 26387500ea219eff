"""SIFA's translations (Chen et al., IEEE TMI 2020); its segmenter is in `segmentation/sifa_net.py`.

All convolutions pad with zeros, all instance norms have a scale and a shift. The decoder and the discriminators have no
biases, but in transposed convolutions. Images are (N, 1, H, W) in [-1, 1].
"""

import torch
from torch import Tensor, nn

from dar_uda.adaptation.cyclegan import PatchDiscriminator, ResidualBlock, normalized, upsampled
from dar_uda.segmentation.sifa_net import INITIAL_DEVIATION, initialize

DEVIATION = 0.02
DECODER_BLOCKS, DROPOUT = 4, 0.25
ZEROS = {"padding_mode": "zeros", "affine": True}
PLAIN = {**ZEROS, "bias": False}


class TargetGenerator(nn.Module):
    """Translate source images: CycleGAN's generator, which adds to the image what turns it into a target image.

    Args:
        width: Channels of the first layer; SIFA's 32.
        blocks: Residual blocks; SIFA's 9.

    Shape:
        (N, 1, H, W) to the same; H and W divide by 4.
    """

    def __init__(self, width: int = 32, blocks: int = 9) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *normalized(1, width, 7, **ZEROS),
            *normalized(width, 2 * width, 3, 2, **ZEROS),
            *normalized(2 * width, 4 * width, 3, 2, **ZEROS),
            *(ResidualBlock(4 * width, is_cut=True, **ZEROS) for _ in range(blocks)),
            *upsampled(4 * width, 2 * width, affine=True),
            *upsampled(2 * width, width, affine=True),
            nn.Conv2d(width, 1, 7, padding=3),
        )
        initialize(self, DEVIATION)

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(images + self.body(images))


class SourceDecoder(nn.Module):
    """Translate target images from the features that the segmenter has of them.

    Args:
        features: Channels of these.
        width: Channels of the last hidden layer; SIFA's 32.

    Shape:
        (N, features, H / 8, W / 8) and images (N, 1, H, W) to (N, 1, H, W).
    """

    def __init__(self, features: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *normalized(features, 4 * width, 3, **PLAIN),
            *(ResidualBlock(4 * width, is_cut=True, dropout=DROPOUT, **PLAIN) for _ in range(DECODER_BLOCKS)),
            *upsampled(4 * width, 2 * width, affine=True),
            *upsampled(2 * width, 2 * width, affine=True),
            *upsampled(2 * width, width, affine=True),
            nn.Conv2d(width, 1, 7, padding=3, bias=False),
        )
        initialize(self, DEVIATION)
        for block in self.body:
            if isinstance(block, ResidualBlock):
                initialize(block, INITIAL_DEVIATION)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        return torch.tanh(images + self.body(features))


def make_discriminator(width: int, inputs: int = 1, outputs: int = 1) -> PatchDiscriminator:
    """Return a discriminator of images or of scores, whose convolutions pad with two pixels.

    Args:
        width: Channels of the first layer; SIFA's 64.
    """
    discriminator = PatchDiscriminator(width, inputs, outputs, padding=2, affine=True, bias=False)
    initialize(discriminator, DEVIATION)
    return discriminator
