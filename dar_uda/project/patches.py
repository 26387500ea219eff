"""What the data and the machine change of a budget: patch, batch, guided filter."""

from collections.abc import Mapping
from typing import Any

from dar_uda.plan.merge import Values
from dar_uda.project.choice import Choice
from dar_uda.project.machine import Machine

BASE_MIB = 900.0
"""Of a training besides its patches: Python, torch and the network."""
MIB_PER_VOXEL = {"cpu": 4316 / (32 * 256 * 256), "gpu": 10648 / (2 * 32 * 256 * 256)}
"""Of a step of the paper's network, 16 channels wide, by voxel of the batch: measured, docs/performance.md."""
PAPER_CHANNELS = 16
FILTER_BY_THICKNESS = 1.35
"""Radii of the guided filter that the thinnest structure has at least: kidneys have them, a myocardium has not."""


def choose_changes(grid: Values, budget: str, settings: Mapping[str, Any], thinnest: float, machine: Machine) -> Choice:
    """Return what the task changes of the budget, by branch, and why; an empty mapping where nothing is.

    Args:
        grid: Of the task.
        settings: The budget's values as a run has them: `segmentation`, `inference`.
        thinnest: Thickness of the thinnest structure in mm.
    """
    changes: dict[str, dict[str, Any]] = {}
    reasons, thin = [], thinnest / grid["spacing"][0]
    segmentation, radius = settings["segmentation"], settings["inference"]["guided_filter_radius"]
    patch = [segmentation["patch_size"][0], *(min(side, grid["size"]) for side in segmentation["patch_size"][1:])]
    patch[1:] = [side // 16 * 16 for side in patch[1:]]
    if patch != segmentation["patch_size"]:
        changes.setdefault("segmentation", {})["patch_size"] = patch
        reasons.append(f"a patch is no larger than a slice of {grid['size']} pixels")
    needed = memory_of_training({**segmentation, "patch_size": patch}, machine)
    available = machine.gpu_gib if machine.gpu else machine.memory_gib / 2
    if needed > 1024 * available and segmentation["batch_size"] > 1:
        changes.setdefault("segmentation", {})["batch_size"] = 1
        reasons.append(f"the batch takes about {needed:.0f} MiB, {available:.1f} GiB are free")
    if radius and FILTER_BY_THICKNESS * radius > thin:
        changes["inference"] = {"guided_filter_radius": 0}
        reasons.append(f"no guided filter: its radius is {radius} pixels, the thinnest structure {thin:.1f} thick")
    text = "; ".join(reasons)
    return Choice(changes, f"{budget} as it is, but: {text}." if reasons else "")


def memory_of_training(segmentation: Mapping[str, Any], machine: Machine) -> float:
    """Return about how much memory in MiB a training of the segmenter takes, on the GPU if there is one."""
    depth, height, width = segmentation["patch_size"]
    voxels = segmentation["batch_size"] * depth * height * width
    per_voxel = MIB_PER_VOXEL["gpu" if machine.gpu else "cpu"]
    per_voxel *= int(segmentation["channels"][0]) / PAPER_CHANNELS
    return BASE_MIB + float(voxels * per_voxel)
