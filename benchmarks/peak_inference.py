"""Peak memory of a process, in MiB, that predicts a volume of 1,000 slices, or runs DAR-UNet on one window.

python -m benchmarks.peak_inference volume | window
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.inference import CPU, LARGE, WINDOW, small_network
from benchmarks.measure import grown_mib
from dar_uda.data.grid import Grid, write_grids
from dar_uda.data.volume import write_mask
from dar_uda.preprocessing.restore import restore_classes
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.sliding_window import predict_slabs


def predict_volume(folder: Path) -> None:
    image = np.memmap(folder / "image", dtype=np.uint16, mode="w+", shape=LARGE)
    grid = Grid(LARGE[::-1], np.diag([1.0, 1, 4, 1]))
    write_grids(folder / "grid.json", grid, grid)
    slabs = predict_slabs(small_network(), image, WINDOW, 0.5, "constant", 1, CPU)
    restored = restore_classes(slabs, folder / "grid.json")
    write_mask(folder / "mask.nii.gz", restored.array, restored.grid)


if sys.argv[1] == "volume":
    with tempfile.TemporaryDirectory() as folder:
        predict_volume(Path(folder))
else:
    with torch.no_grad():
        DARUNet(5).eval()(torch.zeros(1, 1, *WINDOW))
print(grown_mib(0))
