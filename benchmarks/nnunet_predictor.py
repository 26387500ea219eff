"""nnU-Net's predictor on one scan: NNUNETS_PYTHON nnunet_predictor.py SCAN WIDTH HEIGHT DEPTH, spacings in mm.

Prints seconds, from the model's folder to the written mask, and the peak memory of the process in MiB. The network is
the one that nnU-Net's default planner makes for this scan at that spacing, with weights as they begin. Nothing is
mirrored.
"""

import json
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import torch

CLASSES, DATASET, PLANS = 5, "Dataset001_Benchmark", "nnUNetPlans"


def write_dataset(raw: Path, scan: Path) -> None:
    """Write a dataset of this one scan, whose structures are slabs."""
    labels = np.zeros(nib.load(scan).shape, np.uint8)
    for label in range(1, CLASSES):
        labels[100:400, 100:400, 10 * label : 10 * label + 8] = label
    (raw / DATASET).mkdir(parents=True)
    nib.save(nib.Nifti1Image(labels, nib.load(scan).affine), raw / DATASET / "label.nii.gz")
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{f"structure_{label}": label for label in range(1, CLASSES)}},
        "numTraining": 1,
        "file_ending": ".nii.gz",
        "dataset": {"case": {"images": [str(scan)], "label": str(raw / DATASET / "label.nii.gz")}},
    }
    (raw / DATASET / "dataset.json").write_text(json.dumps(content))


def write_model(folder: Path, preprocessed: Path, spacing: list[float]) -> None:
    """Plan, and write what a training would leave."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    extract_fingerprints([1], num_processes=1)
    plan_experiments([1], overwrite_target_spacing=spacing)
    plans = json.loads((preprocessed / DATASET / f"{PLANS}.json").read_text())
    parts = plans["configurations"]["3d_fullres"]["architecture"]
    arguments = (parts["network_class_name"], parts["arch_kwargs"], parts["_kw_requires_import"], 1, CLASSES)
    torch.manual_seed(0)
    network = get_network_from_plans(*arguments, deep_supervision=False)
    (folder / "fold_all").mkdir(parents=True)
    for name in (f"{PLANS}.json", "dataset.json"):
        text = (preprocessed / DATASET / name).read_text()
        (folder / name.replace(PLANS, "plans")).write_text(text)
    checkpoint = {
        "network_weights": network.state_dict(),
        "init_args": {"configuration": "3d_fullres"},
        "trainer_name": "nnUNetTrainerNoMirroring",
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, folder / "fold_all" / "checkpoint_final.pth")


def predict(model: Path, scan: Path, output: Path) -> float:
    """Return the seconds of a prediction."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    output.mkdir()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    start = time.perf_counter()
    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(model), "all")
    predictor.predict_from_files_sequential([[str(scan)]], [str(output / "mask")])
    return time.perf_counter() - start


def main(name: str, *spacing: str) -> None:
    scan = Path(name).absolute()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with TemporaryDirectory() as scratch, redirect_stdout(sys.stderr):
        folders = {key: Path(scratch) / key for key in ("raw", "preprocessed", "results")}
        os.environ.update({f"nnUNet_{key}": str(folder) for key, folder in folders.items()})
        write_dataset(folders["raw"], scan)
        width, height, depth = map(float, spacing)
        write_model(folders["results"] / "model", folders["preprocessed"], [depth, height, width])
        seconds = predict(folders["results"] / "model", scan, folders["results"] / "masks")
        assert list((folders["results"] / "masks").glob("mask*"))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(seconds, float(peak.split()[1]) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
