"""A bundle in MONAI's format, which runs where DAR-UDA is not installed."""

import json
import logging
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from dar_uda.bundle.card import model_card
from dar_uda.bundle.carried_code import carry_code
from dar_uda.bundle.facts import read_facts
from dar_uda.bundle.plain_network import plain_network
from dar_uda.segmentation.plain_dar_unet import PlainDARUNet

logger = logging.getLogger(__name__)
TRANSFORMS, NETWORK = "dar_uda.bundle.monai_transforms", PlainDARUNet.__module__
MONAI = "1.6.1"
"""The version that bundles were run with."""
NEEDED = ("nibabel", "scipy", "SimpleITK")
IGNITE = "0.5.5"
"""Of pytorch-ignite, which MONAI's evaluator needs."""
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
USAGE = [
    "A MONAI bundle: `pip install monai pytorch-ignite fire nibabel scipy SimpleITK`, then in this folder",
    "",
    "    python -m monai.bundle run --config_file configs/inference.json --dataset_dir SCANS --output_dir MASKS",
    "",
    "SCANS is a folder of NIfTI files (`*.nii.gz`). The code in `scripts/` is DAR-UDA's own: the network in plain "
    "layers, preprocessing, the guided filter and the largest components. Left out: TTA, the checks of a scan, the "
    "warning of scans that are out of distribution, DICOM.",
]


def write_monai_bundle(bundle: Path, folder: Path) -> None:
    """Write a bundle of DAR-UDA as one of MONAI.

    Args:
        bundle: Folder that `export_bundle` wrote.
        folder: To write; it must not exist.

    Raises:
        ValueError: The network is not DAR-UNet.
    """
    facts = read_facts(bundle)
    network, arguments = plain_network(bundle / "weights.safetensors")
    for name in ("configs", "docs", "models"):
        (folder / name).mkdir(parents=True)
    region = bundle / "region.json"
    if region.exists():
        shutil.copyfile(region, folder / "configs" / "region.json")
    for name in ("bundle.json", "provenance.json"):
        shutil.copyfile(bundle / name, folder / "docs" / name)
    _write(folder / "configs" / "inference.json", _inference(facts, arguments, region.exists()))
    _write(folder / "configs" / "metadata.json", _metadata(facts))
    schema = Path(__file__).with_name("monai_metadata.schema.json")
    shutil.copyfile(schema, folder / "configs" / "metadata.schema.json")
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    carry_code([TRANSFORMS, NETWORK], folder / "scripts", version("dar-uda"))
    card = model_card(facts, bundle / "metrics.tsv", USAGE)
    (folder / "docs" / "README.md").write_text(card, encoding="utf-8")
    license = (
        f"Weights: {facts['license']}\nCode in scripts/: Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0\n"
    )
    (folder / "LICENSE").write_text(license, encoding="utf-8")
    if facts["inference"]["test_time_augmentation"]:
        logger.warning(
            "DAR-461: %s averages over TTA transforms, a MONAI bundle does not: its masks differ a little from those "
            "of `dar-uda predict`",
            facts["method"],
        )


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _inference(facts: dict[str, Any], arguments: dict[str, Any], region: bool) -> dict[str, Any]:
    """Return the config that reads scans, predicts and saves masks."""
    preprocessing, inference = facts["preprocessing"], facts["inference"]
    options = {key: preprocessing[key] for key in ("intensity", "slice_axis", "double_depth")}
    to_network = {
        "_target_": _carried(TRANSFORMS, "ToNetworkGridd"),
        "keys": "image",
        "settings": {**preprocessing["grid"], **options},
        "region": "$@bundle_root + '/configs/region.json'" if region else None,
    }
    to_scan = {
        "_target_": _carried(TRANSFORMS, "ToScand"),
        "keys": "pred",
        "image": "image",
        "guided_filter_radius": inference.get("guided_filter_radius", 0),
        "single": facts["single_component"],
    }
    load = {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True}
    save = {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "output_postfix": "",
        "output_dtype": "$numpy.uint8",
        "separate_folder": False,
        "resample": False,
    }
    return {
        "imports": ["$import glob", "$import numpy", "$import torch"],
        "bundle_root": ".",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "dataset_dir": "$@bundle_root + '/scans'",
        "output_dir": "$@bundle_root + '/masks'",
        "network_def": {"_target_": _carried(NETWORK, PlainDARUNet.__name__), **arguments},
        "network": "$@network_def.to(@device)",
        "preprocessing": _composed(load, to_network),
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path} for path in sorted(glob.glob(@dataset_dir + '/*.nii.gz'))]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": facts["patch_size"],
            "sw_batch_size": inference["batch_size"],
            "overlap": inference["overlap"],
            "mode": inference["weighting"],
            "cval": -1.0,
        },
        "postprocessing": _composed(to_scan, save),
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
                "map_location": "@device",
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "run": ["$@evaluator.run()"],
    }


def _carried(module: str, name: str) -> str:
    """Return where `carry_code` puts a name."""
    return f"scripts.{module.partition('.')[2]}.{name}"


def _composed(*transforms: dict[str, Any]) -> dict[str, Any]:
    return {"_target_": "Compose", "transforms": list(transforms)}


def _metadata(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what MONAI's specification wants to know of a bundle."""
    classes = ["background", *facts["structures"]]
    tensor = {"spatial_shape": facts["patch_size"], "dtype": "float32", "is_patch_data": True}
    image = {"type": "image", "format": "magnitude", "modality": facts["domain"], "num_channels": 1}
    scores = {"type": "image", "format": "segmentation", "num_channels": len(classes)}
    named = {str(value): name for value, name in enumerate(classes)}
    packages = facts["packages"]
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by DAR-UDA {version('dar-uda')}"},
        "monai_version": MONAI,
        "pytorch_version": packages["torch"].partition("+")[0],
        "numpy_version": packages["numpy"],
        "required_packages_version": {
            **{name: packages[name.lower()] for name in NEEDED},
            "pytorch-ignite": IGNITE,
        },
        "name": f"{facts['method']}, {facts['direction']}, task {facts['task']}",
        "task": f"Segmentation of {', '.join(facts['structures'])} in scans of the domain {facts['domain']}",
        "description": f"DAR-UNet, trained by DAR-UDA's method {facts['method']} without labels of these scans' domain",
        "authors": "Whoever ran DAR-UDA",
        "copyright": f"Weights: {facts['license']}",
        "data_type": "nibabel",
        "network_data_format": {
            "inputs": {"image": {**image, **tensor, "value_range": [-1, 1], "channel_def": {"0": "image"}}},
            "outputs": {"pred": {**scores, **tensor, "value_range": [], "channel_def": named}},
        },
    }
