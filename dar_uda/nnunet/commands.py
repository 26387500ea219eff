"""nnU-Net's command lines, and the environment variables that they read."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dar_uda.nnunet import trainer

VERSION = "2.8"
"""Of nnU-Net, the first two parts: with another one, the trainer's base class may look different."""
PLANS = {
    "ExperimentPlanner": "nnUNetPlans",
    "nnUNetPlannerResEncM": "nnUNetResEncUNetMPlans",
    "nnUNetPlannerResEncL": "nnUNetResEncUNetLPlans",
    "nnUNetPlannerResEncXL": "nnUNetResEncUNetXLPlans",
}
"""What nnU-Net calls the plans of each of its planners."""
DATASET, NUMBER = "Dataset001_DarUda", "1"
"""Every training set has folders of its own, so that one name does for all."""
CONFIGURATION, FOLD, CHECKPOINT = "3d_fullres", "all", "checkpoint_final.pth"
TRAINER = "DarUdaTrainer"


def plan_command(python: str, planner: str, threads: int) -> list[str]:
    """Return the command that checks, plans and preprocesses the dataset."""
    processes = ["-npfp", str(threads), "-np", str(threads)]
    checked = ["--verify_dataset_integrity", "--no_pbar"]
    what = ["-d", NUMBER, "-c", CONFIGURATION, "-pl", planner]
    return [*_tool(python, "nnUNetv2_plan_and_preprocess"), *what, *processes, *checked]


def train_command(python: str, planner: str, device: str) -> list[str]:
    """Return the command that trains, from the last checkpoint if there is one, on all cases of the dataset."""
    how = ["-tr", TRAINER, "-p", PLANS[planner], "-device", device, "--c"]
    return [*_tool(python, "nnUNetv2_train"), NUMBER, CONFIGURATION, FOLD, *how]


def predict_command(
    python: str, model: str | Path, images: str | Path, masks: str | Path, device: str, threads: int
) -> list[str]:
    """Return the command that writes the probabilities of a folder's images; one process each reads and writes.

    On a GPU that waits for them, more do.
    """
    processes = str(max(1, threads // 2) if device == "cuda" else 1)
    files = ["-i", str(images), "-o", str(masks), "-m", str(model), "-f", FOLD, "-chk", CHECKPOINT]
    how = ["--save_probabilities", "--disable_tta", "--disable_progress_bar", "-device", device]
    return [*_tool(python, "nnUNetv2_predict_from_modelfolder"), *files, *how, "-npp", processes, "-nps", processes]


def folders_of(work: Path) -> dict[str, str]:
    """Return the variables that name nnU-Net's folders below a working folder."""
    return {f"nnUNet_{name}": str(work.absolute() / name) for name in ("raw", "preprocessed", "results")}


def trained_folder(work: Path, planner: str) -> Path:
    """Return where nnU-Net leaves a training's plans, and in `fold_all` its checkpoints."""
    return work / "results" / DATASET / f"{TRAINER}__{PLANS[planner]}__{CONFIGURATION}"


def variables(computing: int, augmenting: int, gpu: str | None = None) -> dict[str, str]:
    """Return this process's environment with what nnU-Net reads of it.

    Args:
        computing: Threads of one process.
        augmenting: Processes that draw patches beside a training; with 0 it does so itself.
        gpu: The one GPU that is seen, as `CUDA_VISIBLE_DEVICES` names it.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(computing))
    return {
        **os.environ,
        **threads,
        **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}),
        "nnUNet_def_n_proc": str(computing),
        "nnUNet_n_proc_DA": str(augmenting),
        "nnUNet_extTrainer": str(Path(str(trainer.__file__)).absolute().parent),
        "nnUNet_compile": "f",
        "nnUNet_wandb_enabled": "0",
        "PYTHONUNBUFFERED": "1",
    }


def planning_variables(threads: int) -> dict[str, str]:
    """Return the environment of `plan_command`, whose processes have a thread each."""
    return variables(1, threads)


def training_variables(threads: int, gpu: str | None) -> dict[str, str]:
    """Return the environment of `train_command`: on a CPU all threads compute, else all but one draw patches."""
    return variables(threads, 0) if gpu is None else variables(1, max(1, threads - 1), gpu)


def predicting_variables(threads: int, gpu: str | None) -> dict[str, str]:
    """Return the environment of `predict_command`."""
    return variables(threads if gpu is None else 1, 1, gpu)


def visible_gpu(device: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return how `CUDA_VISIBLE_DEVICES` names one of torch's devices, such as cuda:1; None for the CPU."""
    if device == "cpu":
        return None
    index = int(device.removeprefix("cuda:"))
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index].strip() if visible else str(index)


def _tool(python: str, name: str) -> list[str]:
    """Return a command of nnU-Net as the interpreter beside it runs it: its own first line may name another place."""
    return [python, str(Path(shutil.which(python) or python).with_name(name))]
