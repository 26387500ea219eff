"""Sliding-window inference with five classes: time against the whole volume's scores, memory at 1,000 slices."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from benchmarks.measure import Row, interleaved, peak_mib, timed_row
from dar_uda.segmentation.sliding_window import predict_slabs

CPU, WINDOW, TIMED, LARGE = torch.device("cpu"), (32, 256, 256), (64, 512, 512), (1000, 512, 512)


def rows() -> Iterator[Row]:
    """Yield the rows of inference."""
    from benchmarks.literal.inference import literal_probabilities

    network = small_network()
    image = np.random.default_rng(0).integers(0, 65536, TIMED).astype(np.uint16)
    forms = {
        "literal": lambda: literal_probabilities(network, image, WINDOW, 0.5),
        "ours": lambda: [None for _ in predict_slabs(network, image, WINDOW, 0.5, "constant", 1, CPU)],
    }
    yield timed_row("sliding window, 512 x 512 x 64, one-layer network", interleaved(forms), "ours", 1.0)
    yield Row(
        "prediction of 512 x 512 x 1000 to its mask, one-layer network",
        "MiB",
        None,
        peak_mib("benchmarks.peak_inference", "volume"),
        4096,
        "of the whole process",
    )
    yield Row(
        "DAR-UNet on one window",
        "MiB",
        None,
        peak_mib("benchmarks.peak_inference", "window"),
        4096,
        "of the whole process; the two add up to less than 4096 + what a process has at its start",
    )


def small_network() -> nn.Module:
    """Return one convolution to five classes: what is measured is the window's way, not the network."""
    torch.manual_seed(0)
    return nn.Conv3d(1, 5, 3, padding=1).eval()
