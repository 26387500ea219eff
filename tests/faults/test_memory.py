"""A training that runs out of memory says so and what to do, keeps its checkpoint, and ends at the same bits."""

import subprocess
import sys

import numpy as np
import pytest

from dar_uda.data.network_volume import write_image, write_label

TRAINING = """
import resource, sys
from pathlib import Path
import torch
from dar_uda.segmentation import train
from dar_uda.segmentation.train import SegmenterTrainer, train_segmenter
from dar_uda.training.job import Job
from dar_uda.jobs.log import job_log

update = SegmenterTrainer.update

def update_in_little_memory(self, step):
    if step == 5 and sys.argv[2] == "little":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, used + 2**24))
        torch.ones(2**26)
    return update(self, step)

SegmenterTrainer.update = update_in_little_memory
train.STATISTICS_BATCHES = 2
SETTINGS = dict(
    steps=8, batch_size=1, patch_size=[4, 32, 32], foreground_fraction=0.5, scale=0.1, ema_decay=0.0,
    augmentation="published",
    channels=[4, 4, 8, 8, 8],
    learning_rate=5e-3, final_learning_rate=1e-5, weight_decay=1e-4, focal_weight=10.0, checkpoint_every=2,
)
folder = Path(sys.argv[1])
files = [folder.parent / "image.nii"], [folder.parent / "label.nii"]
names = ("weights.safetensors", "history.tsv", "usage.json")
with job_log(folder / "job.log"):
    job = Job(0, "c", torch.device("cpu"), torch.float32)
    train_segmenter(*files, *(folder / name for name in names), job, 2, {}, SETTINGS)
"""


@pytest.fixture
def train(tmp_path):
    label = np.zeros((8, 32, 32), np.uint8)
    label[2:6, 8:24, 10:22] = 1
    write_label(tmp_path / "label.nii", label, np.eye(4))
    write_image(tmp_path / "image.nii", np.where(label == 1, 0.8, 0.2).astype(np.float32), np.eye(4))

    def train(name, memory):
        command = [sys.executable, "-c", TRAINING, str(tmp_path / name), memory]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stderr, tmp_path / name

    return train


@pytest.mark.slow
def test_out_of_memory_is_said_in_words_and_the_checkpoint_serves(train):
    status, text, whole = train("whole", "enough")
    assert status == 0, text
    status, text, folder = train("short", "little")
    assert status == 1 and "ERROR: DAR-225: out of memory" in text and "activation_checkpointing=true" in text, text
    assert "Traceback" not in text and (folder / "checkpoints" / "latest.pt").is_file()
    status, text, _ = train("short", "enough")
    assert status == 0 and "resumed from the checkpoint at step 4" in text, text
    assert (folder / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
