"""A bundle whose network is a threshold: what `predict` does with files, in milliseconds."""

import json

import nibabel as nib
import numpy as np
import pandas as pd

from dar_uda.data.probabilities import probabilities_file
from dar_uda.data.volume import Volume, read_volume


class StubSegmenter:
    """Everything above 0 is the organ; `calls` lists the scans, `before` is called with each."""

    structures = ("organ",)
    expected = pd.DataFrame(columns=["structure", "tta_inconsistency", "volume_ratio", "confidence", "expected_dice"])

    def __init__(self, folder, before=lambda _: None):
        self.folder, self.before, self.calls = folder, before, []
        self.facts = {"inference": {"test_time_augmentation": False}, "method": "m", "direction": "ct-to-mr"}
        folder.mkdir(exist_ok=True)
        (folder / "weights.safetensors").write_bytes(b"weights")
        (folder / "bundle.json").write_text(json.dumps(self.facts))
        (folder / "metrics.tsv").write_text("case\n")

    def predict_with_expected_dice(self, *arguments):
        return self.predict(*arguments), self.expected

    def predict(self, scan, _, probabilities=None):
        self.calls.append(scan)
        self.before(scan)
        volume = read_volume(scan)
        mask = (volume.array > 0).astype(np.uint8)
        if probabilities:
            with probabilities_file(probabilities, volume.grid, 2) as stored:
                stored[..., 0], stored[..., 1] = 255 * (1 - mask), 255 * mask
        return Volume(mask, volume.grid)


def write_scan(path, voxels=1):
    """Write a NIfTI scan of 4 x 4 x 4 voxels of 10 mm; the first few are above 0."""
    array = np.zeros(64, np.int16)
    array[:voxels] = voxels
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.reshape(4, 4, 4), np.diag([10.0, 10, 10, 1])), path)
    return path


def voxels_of(path):
    """Return how many voxels of a mask are the organ."""
    return int(np.count_nonzero(np.asarray(nib.load(path).dataobj)))


def files_below(folder):
    """Return what lies below a folder: the bytes of files, the targets of links."""
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
