"""nnU-Net's command lines, and what its processes read of the environment."""

from pathlib import Path

import pytest

from dar_uda.nnunet.commands import (
    folders_of,
    plan_command,
    planning_variables,
    predict_command,
    predicting_variables,
    train_command,
    trained_folder,
    training_variables,
    visible_gpu,
)

PYTHON = "venv/bin/python"


def test_the_commands_of_a_training():
    assert " ".join(plan_command(PYTHON, "nnUNetPlannerResEncM", 3)) == (
        "venv/bin/python venv/bin/nnUNetv2_plan_and_preprocess -d 1 -c 3d_fullres -pl nnUNetPlannerResEncM "
        "-npfp 3 -np 3 --verify_dataset_integrity --no_pbar"
    )
    assert " ".join(train_command(PYTHON, "nnUNetPlannerResEncM", "cpu")) == (
        "venv/bin/python venv/bin/nnUNetv2_train 1 3d_fullres all -tr DarUdaTrainer -p nnUNetResEncUNetMPlans "
        "-device cpu --c"
    )
    assert trained_folder(Path("w"), "ExperimentPlanner") == Path(
        "w/results/Dataset001_DarUda/DarUdaTrainer__nnUNetPlans__3d_fullres"
    )


@pytest.mark.parametrize(("device", "processes"), [("cpu", 1), ("cuda", 2)])
def test_the_command_of_a_prediction_mirrors_nothing(device, processes):
    assert " ".join(predict_command(PYTHON, "model", "in", "out", device, 4)) == (
        "venv/bin/python venv/bin/nnUNetv2_predict_from_modelfolder -i in -o out -m model -f all "
        "-chk checkpoint_final.pth --save_probabilities --disable_tta --disable_progress_bar "
        f"-device {device} -npp {processes} -nps {processes}"
    )


def read(variables):
    """Return threads of a process, of torch's where nnU-Net sets them, and processes that augment."""
    return tuple(variables[name] for name in ("OMP_NUM_THREADS", "nnUNet_def_n_proc", "nnUNet_n_proc_DA"))


def test_no_job_takes_more_threads_than_it_was_granted():
    assert read(planning_variables(4)) == ("1", "1", "4"), (
        "a thread in each of four processes; never 0: torch refuses it"
    )
    assert read(training_variables(4, gpu=None)) == ("4", "4", "0"), "all compute"
    assert read(training_variables(4, gpu="0")) == ("1", "1", "3"), "one feeds the GPU, the others draw patches"
    assert read(training_variables(1, gpu="0")) == ("1", "1", "1")
    assert read(predicting_variables(4, gpu=None))[:2] == ("4", "4")
    assert read(predicting_variables(4, gpu="0"))[:2] == ("1", "1")


def test_nnunet_finds_its_folders_our_trainer_and_one_gpu(tmp_path):
    variables = training_variables(2, gpu="GPU-1") | folders_of(tmp_path)
    assert variables["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert [variables[f"nnUNet_{name}"] for name in ("raw", "preprocessed", "results")] == [
        str(tmp_path / name) for name in ("raw", "preprocessed", "results")
    ]
    modules = {path.name for path in Path(variables["nnUNet_extTrainer"]).glob("*.py")}
    assert modules == {"__init__.py", "dar_uda_trainer.py"}, "nnU-Net imports all that lie there"
    assert (variables["nnUNet_compile"], variables["nnUNet_wandb_enabled"]) == ("f", "0")


@pytest.mark.parametrize(
    ("device", "visible", "named"),
    [("cpu", "3", None), ("cuda:1", None, "1"), ("cuda:1", "4,GPU-7", "GPU-7"), ("cuda:0", "MIG-x", "MIG-x")],
)
def test_a_leased_gpu_is_named_as_the_environment_names_it(device, visible, named):
    assert visible_gpu(device, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == named
