"""The steps before and after the network as transforms of MONAI: what the `scripts/` of a MONAI bundle are for.

They compute what `dar-uda predict` computes, with the same functions.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray

from dar_uda.data.components import keep_largest
from dar_uda.data.grid import Grid
from dar_uda.data.network_volume import LEVELS, as_stored
from dar_uda.data.nifti import slice_axis_in
from dar_uda.data.volume import Volume
from dar_uda.preprocessing.intensity import without_fill
from dar_uda.preprocessing.preprocess import on_network_grid
from dar_uda.preprocessing.restore import restore_classes
from dar_uda.preprocessing.settings import Preprocessing
from dar_uda.segmentation.guided_filter import follow_edges

GRIDS = "dar_uda_grids"
"""Entry of an image's meta data: its two grids, JSON as `write_grids` writes it."""


class ToNetworkGridd(MapTransform):
    """Bring scans to the network grid, intensities in [-1, 1].

    Args:
        keys: Scans, channel first, as `LoadImaged` with `ensure_channel_first` reads them.
        settings: Arguments of `Preprocessing`.
        region: JSON of `find_region`; None: the grid spans the scan's field of view.

    Shape:
        (1, X, Y, Z) to (1, D, H, W).
    """

    def __init__(self, keys: str | Sequence[str], settings: Mapping[str, Any], region: str | None = None) -> None:
        super().__init__(keys)
        self.settings, self.region = Preprocessing(**settings), region

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **{key: self._brought(data[key]) for key in self.key_iterator(data)}}

    def _brought(self, image: MetaTensor) -> MetaTensor:
        grid = _grid_of(image)
        values, air = without_fill(image[0].numpy(), **self.settings.intensity)
        array, network = on_network_grid(Volume(values, grid), air, self.settings, self.region)
        levels = torch.from_numpy(as_stored(array.T).astype(np.float32))
        grids = json.dumps({"original": grid.to_dict(), "network": network.to_dict()})
        reversed_axes = network.affine[:, [2, 1, 0, 3]]
        return MetaTensor(levels[None] * (2 / LEVELS) - 1, reversed_axes, {**_others(image, "affine"), GRIDS: grids})


class ToScand(MapTransform):
    """Turn the network's scores into masks on the scans' own grids, classes 1..K.

    Args:
        keys: Scores, (classes, D, H, W), background first.
        image: What `ToNetworkGridd` made of the scan.
        guided_filter_radius: See `guided_filter`; 0: probabilities are as the network has them.
        single: Classes of which the largest connected component is kept.

    Shape:
        (classes, D, H, W) to (1, X, Y, Z).
    """

    def __init__(self, keys: str | Sequence[str], image: str, guided_filter_radius: int, single: Sequence[int]) -> None:
        super().__init__(keys)
        self.image, self.radius, self.single = image, guided_filter_radius, single

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = data[self.image]
        return {**data, **{key: self._restored(data[key], image) for key in self.key_iterator(data)}}

    def _restored(self, scores: torch.Tensor, image: MetaTensor) -> MetaTensor:
        probabilities = torch.as_tensor(scores).cpu().float().softmax(dim=0)
        slabs = [probabilities]
        if self.radius:
            slabs = list(follow_edges(slabs, _levels_of(image), self.radius))
        with TemporaryDirectory() as scratch:
            grids = Path(scratch) / "grids.json"
            grids.write_text(image.meta[GRIDS])
            mask = restore_classes(slabs, grids)
        classes = torch.from_numpy(keep_largest(mask.array, self.single))
        return MetaTensor(classes[None], mask.grid.affine, _others(image, "affine", GRIDS))


def _grid_of(image: MetaTensor) -> Grid:
    """Return the grid of an image, with the slice axis that its NIfTI header names, if it has one."""
    header = nib.Nifti1Header()
    header["dim_info"] = int(image.meta.get("dim_info", 0))
    affine = np.asarray(image.affine, dtype=np.float64)
    return Grid(tuple(image.shape[1:]), affine, acquired=slice_axis_in(header))


def _others(image: MetaTensor, *names: str) -> dict[str, Any]:
    """Return the meta data of an image but for some entries."""
    return {key: value for key, value in image.meta.items() if key not in names}


def _levels_of(image: MetaTensor) -> NDArray[np.uint16]:
    return ((image[0].cpu().numpy() + 1) * (LEVELS / 2)).round().astype(np.uint16)
