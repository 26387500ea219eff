"""Ways to change the look and the place of a training patch: the shipped ones, and those that are tried."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dar_uda.segmentation.augmentation import _elastic_displacement
from dar_uda.segmentation.deformation import affine_grid
from dar_uda.segmentation.domain_randomization import (
    CONSTANT,
    HIDDEN,
    KERNELS,
    LAYERS,
    LEVEL,
    LOG_CONTRAST,
    SLOPE,
    _standardized,
    _tensor,
    class_means,
)

AIR = 0.05
PART_KNOTS = (10, 10)
"""Of the random field that chooses parts of structures, in a slice."""
LOG_GAIN, LOG_GAMMA, CONTRAST = (-0.9, 0.3), (-0.5, 0.5), (0.6, 1.4)


def change_intensity_widely(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Change gain, gamma and contrast, each with probability one half; clip to [0, 1]."""
    gain, gamma = np.exp(rng.uniform(*LOG_GAIN)), np.exp(rng.uniform(*LOG_GAMMA))
    factor = rng.uniform(*CONTRAST)
    bent, gained, contrasted = rng.random(3) < 0.5
    if bent:
        image = image.clamp(min=0) ** gamma
    if gained:
        image = image * gain
    if contrasted:
        image = image * factor + image.mean() * (1 - factor)
    return image.clamp(0, 1)


def change_intensity_richly(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Change an image as nnU-Net does: noise, blur, gain, contrast, low resolution, gamma; and by a bias field."""
    noisy, blurred, gained, contrasted, coarse, bent, biased = rng.random(7) < 0.3
    deviation, sigma, gain, factor = rng.uniform(0, 0.06), rng.uniform(0.5, 1), *rng.uniform(0.7, 1.3, size=2)
    zoom, gamma = rng.uniform(0.5, 1), np.exp(rng.uniform(-0.4, 0.4))
    if biased:
        knots = _tensor(rng.normal(scale=0.25, size=(1, 1, 3, 3)), image)
        image = image * F.interpolate(knots, size=image.shape[1:], mode="bicubic")[0, 0].exp()
    if blurred:
        taps = torch.exp(-_tensor(np.arange(-2, 3) ** 2, image) / (2 * sigma**2))
        taps = taps / taps.sum()
        image = F.conv2d(image[:, None], (taps[:, None] * taps)[None, None], padding=2)[:, 0]
    if noisy:
        image = image + _tensor(rng.normal(scale=deviation, size=tuple(image.shape)), image)
    if gained:
        image = image * gain
    if contrasted:
        image = image * factor + image.mean() * (1 - factor)
    if coarse:
        small = F.interpolate(image[:, None], scale_factor=zoom, mode="nearest")
        image = F.interpolate(small, size=image.shape[1:], mode="bilinear")[:, 0]
    if bent:
        image = image.clamp(0, 1) ** gamma
    return image.clamp(0, 1)


def random_convolution_in_range(image: Tensor, rng: np.random.Generator) -> Tensor:
    """GIN as in `random_convolution`, brought back to [0, 1] by its minimum and maximum."""
    mean, deviation = image.mean(), image.std()
    x = standard = ((image - mean) / deviation.clamp(min=CONSTANT))[:, None]
    widths = [1] + [HIDDEN] * (LAYERS - 1) + [1]
    for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
        kernel = int(rng.choice(KERNELS))
        weight, bias = rng.normal(size=(outputs, inputs, kernel, kernel)), rng.normal(size=outputs)
        x = F.conv2d(x, _tensor(weight, image), _tensor(bias, image), padding=kernel // 2)
        x = F.leaky_relu(x, SLOPE) if layer < LAYERS - 1 else x
    alpha = float(rng.random())
    mixed = (alpha * _standardized(x) + (1 - alpha) * standard)[:, 0]
    low, high = mixed.min(), mixed.max()
    return torch.where(deviation < CONSTANT, image, (mixed - low) / (high - low).clamp(min=CONSTANT))


def change_classes(
    image: Tensor, label: Tensor, rng: np.random.Generator, classes: int, background_classes: int
) -> Tensor:
    """Give every structure, and every one of some intervals of the background's intensities, its own look.

    As `change_structures`, which leaves the background as it is; so does this below `AIR`.
    """
    thresholds = np.sort(rng.uniform(AIR, 1, size=background_classes - 1))
    total = classes + background_classes
    gains, shifts = np.exp(rng.normal(scale=LOG_CONTRAST, size=total)), rng.normal(scale=LEVEL, size=total)
    gains[0], shifts[0] = 1, 0
    intervals = torch.bucketize(image, _tensor(thresholds, image)) + classes
    here = torch.where(label > 0, label.long(), torch.where(image < AIR, 0, intervals))
    masks = [here == index for index in range(total)]
    means = torch.stack([(image * mask).sum() / mask.sum().clamp(min=1) for mask in masks])
    gain = _tensor(gains, image)
    offset = means * (1 - gain) + _tensor(shifts, image)
    smooth = F.avg_pool2d(torch.stack([gain[here], offset[here]]), 3, 1, 1, count_include_pad=False)
    return (image * smooth[0] + smooth[1]).clamp(0, 1)


def change_parts(image: Tensor, label: Tensor, rng: np.random.Generator, classes: int) -> Tensor:
    """Give a part of every structure the mean of a random level, as scar, cysts and tumors have: shape alone tells.

    The part is where a smooth random field is above a random threshold, none to most of the structure.
    """
    knots = _tensor(rng.normal(size=(1, classes, 3, *PART_KNOTS)), image)
    thresholds, levels = rng.uniform(-0.5, 1.0, size=classes), rng.uniform(size=classes)
    here = label.long()
    fields = F.interpolate(knots, size=tuple(image.shape), mode="trilinear", align_corners=True)[0]
    field = fields.gather(0, here[None])[0]
    inside = (field > _tensor(thresholds, image)[here]) & (label > 0)
    offset = (_tensor(levels, image) - class_means(image, label, classes))[here] * inside
    return (image + F.avg_pool2d(offset[:, None], 3, 1, 1, count_include_pad=False)[:, 0]).clamp(0, 1)


def upright_grid(shape: tuple[int, int], rng: np.random.Generator, scale: float) -> Tensor:
    """As the budgets' grid of this name, with the published elastic displacement, in half of the patches."""
    *placed, displaced = rng.random(4) < 0.5
    grid = affine_grid(shape, rng, scale, *placed)
    return grid + _elastic_displacement(*shape, rng) if displaced else grid


def moved(image: Tensor, label: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Resample a patch and its classes."""
    image = F.grid_sample(image[None], grid, mode="bilinear", align_corners=False)[0]
    classes = F.grid_sample(label[None].float(), grid, mode="nearest", align_corners=False)[0]
    return image, classes.to(label.dtype)
