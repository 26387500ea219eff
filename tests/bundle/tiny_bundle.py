"""A bundle with a tiny random DAR-UNet, and a scan for it."""

import json

import nibabel as nib
import numpy as np
import torch

from dar_uda.bundle.facts import FORMAT
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.unet_2d import UNet2D
from tests.segmentation.test_plain_dar_unet import trained

FACTS = {
    "format": FORMAT,
    "method": "dar_uda",
    "direction": "ct-to-mr",
    "domain": "mr",
    "task": "tiny",
    "run": {"name": "tiny", "seed": 0, "budget": None, "generated": True, "scored_in_training": [0, 1]},
    "license": "CC BY 4.0",
    "structures": ["liver", "spleen"],
    "preprocessing": {
        "grid": {"spacing": [4, 4, 5], "size": 32},
        "intensity": {"percentile": 99.5},
        "slice_axis": None,
        "double_depth": False,
    },
    "inference": {
        "overlap": 0.5,
        "weighting": "gaussian",
        "batch_size": 4,
        "guided_filter_radius": 2,
        "test_time_augmentation": False,
        "flips": False,
    },
    "patch_size": [8, 16, 16],
    "single_component": [1],
    "slice_normal": [0.0, 0.0, 1.0],
    "out_of_distribution": None,
    "packages": {"torch": "2.13.0+cpu", "numpy": "2.4.6", "nibabel": "5.4.2", "scipy": "1.17.1", "simpleitk": "2.5.7"},
}


def balanced():
    """Return a random network whose classes are about as likely as each other."""
    network = trained()
    with torch.no_grad():
        scores = network(torch.rand(1, 1, *FACTS["patch_size"]) * 2 - 1)
        network.fuse.bias -= scores.flatten(2).median(dim=2).values[0]
    return network


def write_bundle(folder, network: DARUNet | UNet2D | None = None):
    """Write a bundle as `export_bundle` would."""
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps(FACTS))
    (folder / "provenance.json").write_text("{}")
    (network or balanced()).save(folder / "weights.safetensors")
    return folder


def write_scan(path):
    """Write a smooth scan with air around it, its x axis reversed."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 6, 5, 4, generator=generator)
    values = torch.nn.functional.interpolate(coarse, size=(46, 40, 13), mode="trilinear")[0, 0].numpy() * 900
    values[:4] = values[-4:] = 0
    affine = np.array([[-3.0, 0, 0, 60], [0, 3, 0, -50], [0, 0, 5, 10], [0, 0, 0, 1]])
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.int16), affine), path)
    return path
