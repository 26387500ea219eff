"""AdaOutput, SynSeg-Net, SIFA and CyCADA on volumes with one bright box."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from dar_uda.adaptation import cycada as cycada_module
from dar_uda.adaptation import image_pool
from dar_uda.adaptation.ada_output import AdaOutputTrainer, OutputDiscriminator, train_ada_output
from dar_uda.adaptation.cycada import train_cycada
from dar_uda.adaptation.cycada_translator import train_cycada_translator
from dar_uda.adaptation.cyclegan import CycleGAN
from dar_uda.adaptation.sifa import train_sifa
from dar_uda.adaptation.synseg_net import class_weights_of, joint_step, train_synseg_net
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.networks import load_segmenter, make_segmenter
from dar_uda.segmentation.patches import PatchSampler
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.job import Job

CPU = torch.device("cpu")
SEGMENTATION = {
    "patch_size": [4, 32, 32],
    "foreground_fraction": 0.5,
    "scale": 0.1,
    "augmentation": "published",
    "channels": [4, 4, 8, 8, 8],
    "steps": 6,
    "learning_rate": 5e-3,
    "final_learning_rate": 1e-4,
    "weight_decay": 1e-4,
    "ema_decay": 0.0,
    "checkpoint_every": 2,
}
ADVERSARY = {"adversarial_weights": [1e-3, 2e-4], "auxiliary_weight": 0.1, "discriminator_learning_rate": 1e-4}
CYCLEGAN = {
    **{"width": 2, "blocks": 1, "batch_size": 1, "epochs": 1, "steps": 8, "crop_size": None},
    **{"learning_rate": 1e-3, "cycle_weight": 10.0},
}
pytestmark = pytest.mark.usefixtures("few_statistics")
JOB = Job(0, "c", CPU, torch.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Source: a bright box on dark, labeled; target: a dark box on bright."""
    folder = tmp_path_factory.mktemp("data")
    label = np.zeros((8, 32, 32), np.uint8)
    label[2:6, 8:24, 10:22] = 1
    write_label(folder / "label.nii", label, np.eye(4))
    for name, (box, ground) in {"source": (0.8, 0.2), "target": (0.1, 0.6)}.items():
        values = np.where(label == 1, box, ground).astype(np.float32)
        write_image(folder / f"{name}.nii", values, np.eye(4))
        np.save(folder / f"{name}.npy", (values * 65535).astype(np.uint16))
    return folder


def ada_output(data, folder, multilevel=False, steps=6, **changes):
    folder.mkdir(exist_ok=True)
    train_ada_output(
        [data / "source.nii"],
        [data / "label.nii"],
        [data / "target.nii"],
        folder / "weights.safetensors",
        folder / "history.tsv",
        JOB,
        classes=2,
        network={"architecture": "unet_2d", "multilevel": multilevel},
        segmentation={**SEGMENTATION, "batch_size": 1, "focal_weight": 10.0, **changes},
        ada_output={"steps": steps, **ADVERSARY},
    )
    return (folder / "weights.safetensors").read_bytes()


def synseg_net(data, folder, cyclegan=None, **changes):
    folder.mkdir(exist_ok=True)
    train_synseg_net(
        [data / "source.npy", data / "target.npy"],
        [data / "source.nii"],
        [data / "label.nii"],
        *(folder / name for name in ("weights.safetensors", "history.tsv", "previews.png")),
        job=JOB,
        generator="AtoB",
        classes=2,
        network={"architecture": "unet_2d", "multilevel": False},
        cyclegan={**CYCLEGAN, **(cyclegan or {})},
        segmentation={**SEGMENTATION, **changes},
        joint_slices=4,
    )
    return (folder / "weights.safetensors").read_bytes()


def outputs(folder, *names):
    folder.mkdir(exist_ok=True)
    return [folder / name for name in ("weights.safetensors", "history.tsv", *names)]


def on_both(data):
    return [data / "source.nii"], [data / "label.nii"], [data / "target.nii"]


def sifa(data, folder, **changes):
    values = {"width": 2, "blocks": 1, "batch_size": 2, "steps": 6, "learning_rate": 2e-3, "checkpoint_every": 2}
    segmentation = {**SEGMENTATION, "ema_decay": 0.9}
    network = {"architecture": "sifa"}
    settings = {"classes": 2, "network": network, "segmentation": segmentation, "sifa": {**values, **changes}}
    train_sifa(*on_both(data), *outputs(folder, "previews.png"), JOB, **settings)
    return (folder / "weights.safetensors").read_bytes()


def segmenter(data):
    """Return the weights of a 2D network as it starts."""
    torch.manual_seed(0)
    make_segmenter(2, SEGMENTATION["channels"], "unet_2d").save(data / "segmenter.safetensors")
    return data / "segmenter.safetensors"


def cycada_translator(data, folder, generator="AtoB", steps=6):
    values = {"translator_steps": steps, "semantic_weight": 1.0}
    settings = {"segmentation": SEGMENTATION, "cyclegan": {**CYCLEGAN, "checkpoint_every": 2}, "cycada": values}
    files = [*on_both(data), segmenter(data), *outputs(folder, "previews.png")]
    train_cycada_translator(*files, JOB, generator=generator, **settings)
    return (folder / "weights.safetensors").read_bytes()


def cycada(data, folder, steps=6, **changes):
    values = {"steps": steps, "batch_size": 2, "learning_rate": 1e-3, "adversarial_weight": 0.1, **changes}
    segmentation = {**SEGMENTATION, "focal_weight": 10.0}
    train_cycada(*on_both(data), segmenter(data), *outputs(folder), JOB, segmentation=segmentation, cycada=values)
    return (folder / "weights.safetensors").read_bytes()


def die_after_save(monkeypatch):
    save = CheckpointFolder.save

    def save_and_die(self, state):
        save(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointFolder, "save", save_and_die)


@pytest.mark.parametrize("train", [ada_output, synseg_net, sifa, cycada_translator, cycada])
def test_a_killed_training_resumes_to_identical_weights(data, tmp_path, monkeypatch, train):
    """With pools of three images, which are full when it is killed, and with CyCADA's segmenter moving."""
    monkeypatch.setattr(image_pool, "SIZE", 3)
    monkeypatch.setattr(cycada_module, "LEAST_ACCURACY", 0.0)
    expected = train(data, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        die_after_save(patch)
        train(data, tmp_path / "killed")
    assert train(data, tmp_path / "killed") == expected


def test_ada_output_learns_the_source_and_predicts_one_volume_of_scores(data, tmp_path):
    ada_output(data, tmp_path, multilevel=True, steps=30)
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    assert list(history.columns) == ["step", "loss", "main_output", "adversarial", "discriminators"]
    assert history["main_output"].tail(5).mean() < 0.6 * history["main_output"].head(5).mean()
    network = load_segmenter(tmp_path / "weights.safetensors", CPU)
    assert network(torch.zeros(1, 1, 2, 32, 32)).shape == (1, 2, 2, 32, 32)


def test_the_adversary_moves_target_outputs_towards_what_the_discriminator_takes_for_source(data):
    """A step with the adversary alone lowers the loss of having target outputs taken for the source's."""
    torch.manual_seed(0)
    network = make_segmenter(2, SEGMENTATION["channels"], "unet_2d")
    sampler = PatchSampler([data / "source.nii"], [data / "label.nii"], [4, 32, 32], 1, 0.5)
    target = PatchSampler([data / "target.nii"], None, [4, 32, 32], 1, 0)
    rates = {
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-3,
        "weight_decay": 0.0,
        "focal_weight": 0.0,
        "ema_decay": 0.0,
    }
    trainer = AdaOutputTrainer(
        *(network, sampler, JOB, 10),
        **{"target": target, "classes": 2, **rates},
        **{**ADVERSARY, "adversarial_weights": [1e3], "discriminator_learning_rate": 1e-9},
    )
    losses = [trainer.update(step)["adversarial"] for step in range(10)]
    assert losses[-1] < losses[0]


def test_the_discriminator_has_the_papers_parameters():
    widths = [5, 64, 128, 256, 512, 1]
    expected = sum(16 * i * o + o for i, o in zip(widths, widths[1:], strict=False))
    assert sum(p.numel() for p in OutputDiscriminator(5).parameters()) == expected
    assert OutputDiscriminator(5)(torch.zeros(2, 5, 64, 96)).shape == (2, 1, 2, 3)


def test_synseg_nets_segmenter_learns_from_translated_slices_all_through_cyclegans_training(data, tmp_path):
    synseg_net(data, tmp_path, steps=60, learning_rate=2e-2, cyclegan={"steps": 64})
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    segmentation = history["segmentation"].dropna()
    assert len(history) == 64 and len(segmentation) == 60 and (segmentation > 0).all()
    assert segmentation.tail(5).mean() < 0.8 * segmentation.head(5).mean()
    assert load_segmenter(tmp_path / "weights.safetensors", CPU).arguments["architecture"] == "unet_2d"


@pytest.mark.parametrize(
    ("steps", "joint", "expected"),
    [(4, 4, [0, 1, 2, 3]), (6, 3, [None, 0, None, 1, None, 2]), (5, 2, [None, None, 0, None, 1])],
)
def test_joint_updates_are_spread_evenly_and_the_last_update_is_one(steps, joint, expected):
    assert [joint_step(step, steps, joint) for step in range(steps)] == expected


def test_the_segmentation_loss_reaches_the_sources_generator_alone(data, tmp_path, monkeypatch):
    from dar_uda.adaptation import synseg_net as module

    seen = {}

    def note(self, _, batch):
        generators = self.generators.generators
        self.generator_optimizer.zero_grad(set_to_none=True)
        self._segmentation_loss(*batch[2:]).backward()
        seen.update({name: any(p.grad is not None for p in net.parameters()) for name, net in generators.items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(module.SynSegTrainer, "_update_generators", note)
    with pytest.raises(KeyboardInterrupt):
        synseg_net(data, tmp_path, cyclegan={"steps": 1})
    assert seen == {"AtoB": True, "BtoA": False}


def test_class_weights_by_hand(data):
    """Of 8 x 32 x 32 voxels the box holds 4 x 16 x 12."""
    share = 4 * 16 * 12 / (8 * 32 * 32)
    expected = [1 / np.log(1.02 + 1 - share), 1 / np.log(1.02 + share)]
    assert class_weights_of([data / "label.nii"], 2).tolist() == pytest.approx(expected, rel=1e-5)
    assert F.cross_entropy(torch.zeros(1, 2), torch.tensor([1])).item() == pytest.approx(np.log(2))


def test_sifa_learns_from_translated_slices_and_keeps_its_segmenter(data, tmp_path):
    sifa(data, tmp_path, steps=40, learning_rate=1e-3)
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    networks = ["generator", "target_discriminator", "segmenter", "decoder", "source_discriminator"]
    networks += ["scores_discriminator", "second_scores_discriminator"]
    assert list(history.columns) == ["step", *networks] and len(history) == 40
    assert history["segmenter"].tail(5).mean() < 0.8 * history["segmenter"].head(5).mean()
    network = load_segmenter(tmp_path / "weights.safetensors", CPU)
    assert network.arguments["architecture"] == "sifa" and network.stem[1].running_mean.abs().max() > 0
    assert (tmp_path / "previews.png").stat().st_size > 0


def test_cycadas_translator_is_a_cyclegan(data, tmp_path):
    cycada_translator(data, tmp_path, "BtoA")
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    assert list(history.columns) == ["step", "adversarial", "cycle", "semantic", "discriminators"]
    translated = CycleGAN.load(tmp_path / "weights.safetensors", CPU)(torch.zeros(1, 1, 32, 32), "BtoA")
    assert translated.shape == (1, 1, 32, 32)


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_cycada_says_how_often_its_segmenter_moved(data, tmp_path, caplog, monkeypatch, least):
    monkeypatch.setattr(cycada_module, "LEAST_ACCURACY", least)
    caplog.set_level("INFO")
    before, after = segmenter(data).read_bytes(), cycada(data, tmp_path)
    assert f"the segmenter moved in {0 if least else 6} of 6 steps" in caplog.text
    assert (after == before) == bool(least)
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    moved = ["adversarial", "segmentation"] if not least else []
    assert list(history.columns) == ["step", "discriminator", "accuracy", *moved]
