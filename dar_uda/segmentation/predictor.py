"""A network at work: what all that predict make of weights and the settings of inference."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dar_uda.segmentation.guided_filter import follow_edges
from dar_uda.segmentation.networks import load_segmenter
from dar_uda.segmentation.sliding_window import Weighting, count_windows, predict_slabs
from dar_uda.segmentation.tta import likeliest, mean_of, predict_transformed
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training.device import prediction_precision
from dar_uda.training.gpu_memory import within_memory

T = TypeVar("T")


@dataclass(frozen=True)
class Predictor:
    """Gives images on the network grid, (D, H, W) as stored, the probabilities of their classes.

    Attributes:
        scores: The network; copies of this object share it.
        device: Where it computes.
        window, overlap, weighting, batch_size: See `predict_slabs`.
        guided_filter_radius: See `guided_filter`; 0: probabilities are as the network has them.
        flips: See `transforms_of`.
    """

    scores: WindowScores
    device: torch.device
    window: Sequence[int]
    overlap: float
    weighting: Weighting
    batch_size: int
    guided_filter_radius: int
    flips: bool

    @classmethod
    def load(
        cls,
        weights: str | Path,
        device: torch.device,
        precision: str,
        window: Sequence[int],
        overlap: float,
        weighting: Weighting,
        batch_size: int,
        guided_filter_radius: int,
        flips: bool,
    ) -> "Predictor":
        """Return the predictor of a weights file.

        Args:
            precision: See `prediction_precision`.
        """
        scores = WindowScores(load_segmenter(weights, device), prediction_precision(precision, device))
        return cls(scores, device, window, overlap, weighting, batch_size, guided_filter_radius, flips)

    def within_memory(self, work: Callable[["Predictor"], T], name: str) -> T:
        """Return `work(predictor)`; see `within_memory`: the predictor changes where a GPU's memory is too small."""
        return within_memory(lambda *place: work(self._on(*place)), name, self.device, self.batch_size)

    def slabs(self, image: NDArray[np.uint16]) -> Iterator[Tensor]:
        """Return the probabilities (classes, slices, H, W) of an image, slab after slab; see `predict_slabs`."""
        scores = self.scores.on(self.device, self.batch_size)
        windows = self.window, self.overlap, self.weighting, self.batch_size, self.device
        slabs = predict_slabs(scores, image, *windows)
        return follow_edges(slabs, image, self.guided_filter_radius) if self.guided_filter_radius else slabs

    def tta_probabilities(self, image: NDArray[np.uint16]) -> Iterator[list[Tensor]]:
        """Return the probabilities of every TTA transform of an image, slab after slab; see `predict_transformed`."""
        return predict_transformed(image, self.slabs, self.flips)

    def averaged(self, image: NDArray[np.uint16]) -> Iterator[Tensor]:
        """Return the mean over the TTA transforms of an image, slab after slab."""
        return map(mean_of, self.tta_probabilities(image))

    def classes(self, image: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Return the likeliest class of every voxel of an image, (D, H, W)."""
        return torch.cat([likeliest(slab).to(torch.uint8) for slab in self.slabs(image)]).cpu().numpy()

    def count_windows(self, shape: Sequence[int]) -> int:
        """Return how many windows the network sees of an image of this shape."""
        return count_windows(shape, self.window, self.overlap)

    def _on(self, device: torch.device, batch_size: int) -> "Predictor":
        return replace(self, device=device, batch_size=batch_size)
