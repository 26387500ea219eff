"""What TensorBoard reads is what a training reports, every step once, and the training is the same."""

import sys
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dar_uda.training.job import Job
from dar_uda.training.tensorboard import events_of
from dar_uda.translation.previews import save_gray

JOB = Job(0, "code", torch.device("cpu"), torch.float32, tensorboard=True)


class Walk:
    """A weight that each step moves by a random amount; it breaks off in step `fatal`, and draws in every fourth."""

    device = torch.device("cpu")

    def __init__(self, previews, fatal=None):
        self.previews, self.fatal = previews, fatal
        torch.manual_seed(3)
        self.weight = torch.zeros(4)

    def update(self, step):
        if step == self.fatal:
            raise KeyboardInterrupt
        self.weight = self.weight + torch.randn(4)
        if step % 4 == 3:
            save_gray([torch.full((1, 1, 2, 2), step / 10 - 1)], self.previews)
        return {"loss": self.weight.sum(), "steps": torch.tensor(float(step + 1))}

    def close(self):
        pass

    def state(self):
        return {"weight": self.weight, "random": torch.get_rng_state()}

    def restore(self, state):
        self.weight = state["weight"]
        torch.set_rng_state(state["random"])


def train(run, job=JOB, fatal=None, steps=10, picture=None):
    """Train in a run's folder; return the weight."""
    history = run / "seed-0" / "translators" / "disentangled" / "history.tsv"
    history.parent.mkdir(parents=True, exist_ok=True)
    trainer = Walk(history.parent / "previews.png", fatal)
    settings = {"checkpoint_every": 3}
    with suppress(KeyboardInterrupt), job.training("walk", trainer, steps, settings, history, [], picture):
        pass
    return trainer.weight


def events(run):
    found = EventAccumulator(str(run / "tensorboard" / "seed-0" / "translators" / "disentangled"))
    return found.Reload()


def test_the_scalars_are_the_history_and_the_pictures_the_previews_as_they_were_drawn(tmp_path):
    train(tmp_path)
    history = pd.read_csv(tmp_path / "seed-0" / "translators" / "disentangled" / "history.tsv", sep="\t")
    for name in ("loss", "steps"):
        scalars = events(tmp_path).Scalars(name)
        assert [one.step for one in scalars] == list(history["step"]) == list(range(1, 11))
        np.testing.assert_allclose([one.value for one in scalars], history[name], rtol=1e-4)
    assert [one.step for one in events(tmp_path).Images("previews")] == [4, 8]


def test_the_picture_of_a_training_is_drawn_at_every_checkpoint(tmp_path):
    shades = iter((0.0, 0.2, 1.0))
    train(tmp_path, picture=lambda: np.full((2, 5, 3), next(shades), np.float32))
    shown = events(tmp_path).Images("patches")
    assert [(one.step, one.width, one.height) for one in shown] == [(3, 5, 2), (6, 5, 2), (9, 5, 2)]
    grays = [imread(BytesIO(one.encoded_image_string), format="png")[..., :3] for one in shown]
    for gray, shade in zip(grays, (0.0, 0.2, 1.0), strict=True):
        np.testing.assert_allclose(gray, shade, atol=1 / 255)


def test_a_training_that_goes_on_writes_every_step_once_and_one_begun_anew_forgets_the_old(tmp_path):
    train(tmp_path, fatal=8)  # the last checkpoint is of step 6
    assert [one.step for one in events(tmp_path).Scalars("loss")] == list(range(1, 9))
    train(tmp_path)
    assert [one.step for one in events(tmp_path).Scalars("steps")] == list(range(1, 11))
    train(tmp_path, steps=5)
    assert [one.step for one in events(tmp_path).Scalars("steps")] == list(range(1, 6))


def test_switched_on_it_changes_no_bit_and_a_half_done_training_goes_on(tmp_path):
    off = replace(JOB, tensorboard=False)
    plain = train(tmp_path / "plain", off)
    assert plain.equal(train(tmp_path / "watched"))
    assert not (tmp_path / "plain" / "tensorboard").exists()
    train(tmp_path / "later", off, fatal=8)
    assert plain.equal(train(tmp_path / "later"))
    assert [one.step for one in events(tmp_path / "later").Scalars("steps")] == [7, 8, 9, 10]


def test_without_the_package_the_training_says_so_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="tensorboard is not installed where this training runs"):
        train(tmp_path)


def test_events_lie_below_the_run_as_the_training_does():
    path = "results/phantom/seed-1/segmenters/ct/dar_unet/history.tsv"
    assert events_of(path) == Path("results/phantom/tensorboard/seed-1/segmenters/ct/dar_unet")
