"""Synthetic volumes made consistent along the slice axis, with the labels of the source."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

FEW_PIXELS = 20
SMOOTHING = 3


def correct_between_slices(volume: NDArray[np.float32], label: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a synthetic volume in which every structure has about the same brightness in all slices.

    A 2D translator sees one slice at a time: it may take the tip of a liver for a kidney and draw it bright. Here each
    slice of a structure is shifted so that its mean becomes the structure's median over the volume; fewer than some
    twenty pixels are shifted less (n / (n + 20)); the shifts are smoothed over 3 x 3 pixels. Background stays, but for
    that smoothing.

    Args:
        volume: (D, H, W) in [0, 1].
        label: Classes of the source volume, the same shape; 0 is background.
    """
    shifts = np.zeros_like(volume)
    for structure in np.unique(label[label > 0]):
        mask = label == structure
        level = np.median(volume[mask])
        for slice_, inside, shift in zip(volume, mask, shifts, strict=True):
            if count := np.count_nonzero(inside):
                shift[inside] = (level - slice_[inside].mean()) * count / (count + FEW_PIXELS)
    return np.clip(volume + uniform_filter(shifts, size=(1, SMOOTHING, SMOOTHING)), 0, 1)
