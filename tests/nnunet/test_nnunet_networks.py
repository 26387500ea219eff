"""The networks of benchmarks/peers.py against those of nnU-Net's own planners."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import PEERS

PYTHON = os.environ.get("NNUNET_PYTHON")
AS_PLANNED = """
import sys
from benchmarks import peers

peers.NNUNETS_PACKAGES = __import__("pathlib").Path(sys.argv[1])
peers.borrow_packages()
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from nnunetv2.experiment_planning.experiment_planners import default_experiment_planner, residual_unets
from nnunetv2.experiment_planning.experiment_planners.residual_unets import residual_encoder_unet_planners
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

PLANNERS = {
    "nnU-Net's PlainConvUNet": (default_experiment_planner.ExperimentPlanner, PlainConvUNet),
    "nnU-Net's ResidualEncoderUNet": (residual_encoder_unet_planners.nnUNetPlannerResEncM, ResidualEncoderUNet),
}
PATCH = (16, 128, 128)
for name, (planner_class, network_class) in PLANNERS.items():
    planner = planner_class.__new__(planner_class)
    planner.dataset_json = {"channel_names": {"0": "CT"}, "labels": dict.fromkeys(map(str, range(5)))}
    planner.UNet_class, planner.preprocessor_name = network_class, "DefaultPreprocessor"
    planner.UNet_base_num_features, planner.UNet_max_features_3d = 32, 320
    planner.UNet_featuremap_min_edge_length, planner.UNet_min_batch_size, planner.max_dataset_covered = 4, 2, 0.05
    planner.UNet_blocks_per_stage_encoder = (2,) * 8 if network_class is PlainConvUNet else (1, 3, 4, 6, 6, 6, 6)
    planner.UNet_blocks_per_stage_decoder = (2,) * 7 if network_class is PlainConvUNet else (1,) * 7
    planner.UNet_reference_val_3d, planner.UNet_vram_target_GB, planner.UNet_reference_val_corresp_GB = 1e12, 8, 8
    planner.UNet_reference_val_corresp_bs_3d = 2
    planner.determine_normalization_scheme_and_whether_mask_is_used_for_norm = lambda: ([], [])
    plan = planner.get_plans_for_configuration(peers.SPACING, PATCH, "", 1e9, {})["architecture"]
    arguments = (plan["network_class_name"], plan["arch_kwargs"], plan["_kw_requires_import"], 1, 5)
    theirs = get_network_from_plans(*arguments, deep_supervision=True).state_dict()
    ours = peers.PEERS[name].make(PATCH).state_dict()
    assert {key: value.shape for key, value in theirs.items()} == {key: value.shape for key, value in ours.items()}
    print(name)
"""


@pytest.mark.nnunet
@pytest.mark.skipif(not PYTHON, reason="NNUNET_PYTHON names no interpreter with nnU-Net: make test-nnunet does")
def test_networks_are_those_that_nnunet_plans():
    packages = Path(PYTHON).absolute().parents[1] / "lib"
    run = subprocess.run([sys.executable, "-c", AS_PLANNED, packages], capture_output=True, text=True, check=False)
    assert run.stdout.split("\n")[:2] == list(PEERS)[:2], run.stderr
