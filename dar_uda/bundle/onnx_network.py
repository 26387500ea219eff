"""The network of a bundle as ONNX, for programs that bring scans to its grid themselves."""

import logging
import shutil
from importlib import import_module
from pathlib import Path

import torch

from dar_uda.bundle.card import model_card
from dar_uda.bundle.facts import read_facts
from dar_uda.bundle.plain_network import plain_network

PACKAGES = ("onnx", "onnxscript")
SAMPLES = 2
"""Windows of the example input: torch would take one for the only number there is."""
USAGE = [
    "`model.onnx` is the network alone. Its input `image` is float32, (batch, 1, {window}), depth first: windows of a "
    "scan on the network grid, intensities in [-1, 1]. Its output `scores` is (batch, {classes}, {window}), background "
    "first: average them where windows overlap, then take the softmax. `bundle.json` says which grid, intensities, "
    "windows and steps after the network the method has.",
]


def load_onnx() -> None:
    """Import what the export needs.

    Raises:
        RuntimeError: It is not installed.
    """
    for package in PACKAGES:
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            raise RuntimeError(
                f"DAR-462: --to onnx needs the package {error.name}: pip install -c constraints.txt -e '.[export]'"
            ) from error


def write_onnx(bundle: Path, folder: Path) -> None:
    """Write the network of a bundle as `model.onnx`, and what a program must know to use it.

    Args:
        bundle: Folder that `export_bundle` wrote.
        folder: To write; it must not exist.

    Raises:
        RuntimeError: A package is missing.
        ValueError: The network is not DAR-UNet.
    """
    load_onnx()
    facts = read_facts(bundle)
    network, _ = plain_network(bundle / "weights.safetensors")
    folder.mkdir()
    torch.onnx.export(
        network,
        (torch.zeros(SAMPLES, 1, *facts["patch_size"]),),
        folder / "model.onnx",
        input_names=["image"],
        output_names=["scores"],
        dynamic_shapes=({0: "batch"},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    for name in ("bundle.json", "provenance.json", "region.json"):
        if (bundle / name).exists():
            shutil.copyfile(bundle / name, folder / name)
    sizes = {"window": ", ".join(map(str, facts["patch_size"])), "classes": len(facts["structures"]) + 1}
    usage = [line.format(**sizes) for line in USAGE]
    (folder / "README.md").write_text(model_card(facts, bundle / "metrics.tsv", usage), encoding="utf-8")


for library in ("onnx_ir", "onnxscript", "torch.onnx"):
    logging.getLogger(library).setLevel(logging.ERROR)  # they list each node that they simplify
