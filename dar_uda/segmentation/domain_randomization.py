"""Domain randomization of training patches: looks that no scanner made, so that the segmenter trusts shapes."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.training.prefetch import to_device

LAYERS, HIDDEN, KERNELS = 4, 2, (1, 3)
SLOPE = 0.01
LEVEL, LOG_CONTRAST = 0.2, 0.4
CONSTANT = 1e-6
"""An image whose deviation is below this is constant."""


@dataclass(frozen=True)
class DomainRandomization:
    """How often a training patch is randomized.

    Args:
        gin: Fraction of patches seen through a random convolution, see `random_convolution`.
        structure_contrast: Fraction of patches whose structures change their contrast, see `change_structures`.
        source_fraction: Fraction of patches that come from untranslated source volumes, in a synthetic training set.
    """

    gin: float
    structure_contrast: float
    source_fraction: float

    def apply(self, image: Tensor, label: Tensor, rng: np.random.Generator, classes: int) -> Tensor:
        """Return the patch (D, H, W) in [0, 1], with a new look where the draw says so.

        Args:
            label, classes: See `change_structures`.
        """
        if rng.random() < self.structure_contrast:
            image = change_structures(image, label, rng, classes)
        if rng.random() < self.gin:
            image = random_convolution(image, rng)
        return image


def random_convolution(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the image seen through a random shallow network (GIN; Ouyang et al., TMI 2023, section III-A).

    Four convolutions with normal weights and biases, kernels 1 or 3 in-plane (the same for every slice), LeakyReLU
    between; the result is mixed with the image in random proportion and brought back to its mean and deviation.

    Args:
        image: (D, H, W) in [0, 1].

    Returns:
        The same shape, in [0, 1]; a constant image as it is.
    """
    mean, deviation = image.mean(), image.std()
    x = standard = ((image - mean) / deviation.clamp(min=CONSTANT))[:, None]
    widths = [1] + [HIDDEN] * (LAYERS - 1) + [1]
    for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
        kernel = int(rng.choice(KERNELS))
        weight, bias = rng.normal(size=(outputs, inputs, kernel, kernel)), rng.normal(size=outputs)
        x = F.conv2d(x, _tensor(weight, image), _tensor(bias, image), padding=kernel // 2)
        x = F.leaky_relu(x, SLOPE) if layer < LAYERS - 1 else x
    alpha = float(rng.random())
    mixed = alpha * _standardized(x) + (1 - alpha) * standard
    # Chosen on the device: the draws do not depend on the image, and no `if` waits for it.
    return torch.where(deviation < CONSTANT, image, (_standardized(mixed)[:, 0] * deviation + mean).clamp(0, 1))


def change_structures(image: Tensor, label: Tensor, rng: np.random.Generator, classes: int) -> Tensor:
    """Give every structure its own brightness and contrast: x becomes mean + shift + gain (x - mean).

    The mean is the structure's in the patch; the shift is normal (deviation 0.2), the gain log-normal (0.4); both
    are smoothed over 3 x 3 pixels. Background stays. (In the spirit of the class-level location-scale augmentation of
    SLAug, Su et al., AAAI 2023.)

    Args:
        image: (D, H, W) in [0, 1].
        label: Class indices, the same shape.
        classes: All of them are below it. The caller knows it without asking the device.
    """
    gains, shifts = np.exp(rng.normal(scale=LOG_CONTRAST, size=classes)), rng.normal(scale=LEVEL, size=classes)
    gains[0], shifts[0] = 1, 0
    gain, here = _tensor(gains, image), label.long()
    offset = class_means(image, label, classes) * (1 - gain) + _tensor(shifts, image)
    smooth = F.avg_pool2d(torch.stack([gain[here], offset[here]]), 3, 1, 1, count_include_pad=False)
    return (image * smooth[0] + smooth[1]).clamp(0, 1)


def class_means(image: Tensor, label: Tensor, classes: int) -> Tensor:
    """Return the mean of the image in every class, (classes,); 0 for the background and where a class has no voxel.

    Sums of masked images: a weighted bincount adds in an order of chance on a GPU, and asks it for the highest class.
    """
    masks = [label == index for index in range(1, classes)]
    means = [(image * mask).sum() / mask.sum().clamp(min=1) for mask in masks]
    return torch.stack([image.new_zeros(()), *means])


def _standardized(x: Tensor) -> Tensor:
    return (x - x.mean()) / x.std().clamp(min=CONSTANT)


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return to_device(torch.as_tensor(values, dtype=like.dtype), like.device)
