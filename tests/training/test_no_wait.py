"""No update of any training asks the device for a value: on a GPU that would wait for all that is under way.

Without a card, updates run on the CPU, and whatever would ask a GPU there fails: a value that becomes a number of
Python or an `if`, a choice of elements whose number the values decide, a tensor that goes to the host.
"""

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dar_uda.adaptation.ada_output import train_ada_output
from dar_uda.adaptation.cycada_translator import train_cycada_translator
from dar_uda.adaptation.self_training import train_on_pseudo_labels
from dar_uda.adaptation.sifa import train_sifa
from dar_uda.adaptation.synseg_net import train_synseg_net
from dar_uda.adaptation.train_cyclegan import train_cyclegan
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.networks import make_segmenter
from dar_uda.segmentation.train import train_segmenter
from dar_uda.training.job import Job
from dar_uda.translation.train import train_translator

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
ASK = {"aten._local_scalar_dense", "aten.is_nonzero", "aten.nonzero", "aten.masked_select", "aten.bincount"}
LOOKS = {"gin": 1.0, "structure_contrast": 1.0, "source_fraction": 0.5}
NETWORK = {"architecture": "unet_2d", "multilevel": True}
SEGMENTATION = {
    **{
        "patch_size": [4, 64, 64],
        "batch_size": 2,
        "foreground_fraction": 0.5,
        "scale": 0.1,
        "augmentation": "published",
        "channels": [4, 4, 8, 8, 8],
        "steps": 8,
    },
    **{
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "weight_decay": 1e-4,
        "focal_weight": 10.0,
        "ema_decay": 0.9,
    },
    "checkpoint_every": 100,
}
SLICES = {"batch_size": 2, "epochs": 1, "steps": 8, "crop_size": None, "checkpoint_every": 100, "preview_every": 100}
CYCLEGAN = {**SLICES, "width": 2, "blocks": 1, "learning_rate": 1e-3, "cycle_weight": 10.0}
LOSSES = ("pixel_reconstruction", "pixel_cycle", "content_reconstruction", "style_reconstruction")
TRANSLATION = {
    **{**SLICES, "width": 4, "style_dim": 8, "style_statistics": True, "ema_decay": 0.9},
    "learning_rate": {"generator": 1e-3, "discriminator": 1e-3},
    "loss_weights": dict.fromkeys((*LOSSES, "adversarial_image", "adversarial_content"), 1.0),
}


class Built(Exception):
    """A training is ready to begin."""


class NothingAsked(TorchDispatchMode):
    """Fail where a value goes from the device to the host.

    Torch's Adam keeps its step counts on the CPU and reads them there.
    """

    def __init__(self, trainer):
        super().__init__()
        self.optimizers = [part for part in trainer._parts().values() if isinstance(part, torch.optim.Optimizer)]

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).rpartition(".")[0]
        masked = name == "aten.index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        if (name in ASK or masked) and not self._is_step_count(args[0]):
            raise AssertionError(f"{function} asks the device")
        return function(*args, **(kwargs or {}))

    def _is_step_count(self, tensor):
        states = [state for optimizer in self.optimizers for state in optimizer.state.values()]
        counts = [state["step"] for state in states if isinstance(state["step"], torch.Tensor)]
        return tensor.data_ptr() in {count.data_ptr() for count in counts}


def asked(*_, **__):
    raise AssertionError("a tensor goes to the host")


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    write_label(tmp_path / "label.nii", rng.integers(0, 3, (8, 72, 72), dtype=np.uint8), np.eye(4))
    write_image(tmp_path / "image.nii", rng.random((8, 72, 72), np.float32), np.eye(4))
    np.save(tmp_path / "slices.npy", rng.integers(0, 65536, (8, 64, 64)).astype(np.uint16))
    (tmp_path / "plausibility.tsv").write_text("case\tkept\nlabel\tTrue\n")
    make_segmenter(3, SEGMENTATION["channels"]).save(tmp_path / "initial.safetensors")
    return tmp_path


def begin(training, data, job):
    """Call a training's function."""
    image, label, stacks = [data / "image.nii"], [data / "label.nii"], [data / "slices.npy"] * 2
    out = [data / name for name in ("weights.safetensors", "history.tsv", "previews.png")]
    common = {"job": job, "classes": 3, "segmentation": SEGMENTATION}
    if training in ("segmenter", "randomized"):
        looks = {"domain_randomization": LOOKS, "source_images": image, "source_labels": label}
        extra = looks if training == "randomized" else {}
        train_segmenter(image, label, *out[:2], data / "usage.json", network={}, **common, **extra)
    elif training == "self_training":
        target = {"cases": ["label"], "target_images": image, "pseudo_labels": data, "table": data / "plausibility.tsv"}
        train_on_pseudo_labels(
            data / "initial.safetensors", image, label, **target, weights=out[0], history=out[1], job=job,
            segmentation=SEGMENTATION, self_training={"pseudo_label_fraction": 0.5, "learning_rate": 1e-3, "steps": 8},
            domain_randomization=LOOKS, iteration=1,
        )  # fmt: skip
    elif training == "translator":
        train_translator(stacks, *out, job=job, translation=TRANSLATION)
    elif training == "cyclegan":
        train_cyclegan(stacks, *out, job=job, cyclegan=CYCLEGAN)
    elif training == "synseg_net":
        source = {"generator": "AtoB", "network": {**NETWORK, "multilevel": False}, "joint_slices": 4}
        train_synseg_net(stacks, image, label, *out, cyclegan=CYCLEGAN, **source, **common)
    elif training == "sifa":
        values = {"width": 2, "blocks": 1, "batch_size": 2, "steps": 8, "learning_rate": 1e-3, "checkpoint_every": 100}
        train_sifa(image, label, image, *out, network={"architecture": "sifa"}, sifa=values, **common)
    elif training == "cycada_translator":
        make_segmenter(3, SEGMENTATION["channels"], architecture="unet_2d").save(data / "source.safetensors")
        values = {"generator": "AtoB", "cycada": {"translator_steps": 8, "semantic_weight": 1.0}}
        files = [image, label, image, data / "source.safetensors", *out]
        train_cycada_translator(*files, job=job, segmentation=SEGMENTATION, cyclegan=CYCLEGAN, **values)
    else:
        weights = {"adversarial_weights": [1e-3, 2e-4], "auxiliary_weight": 0.1}
        values = {"steps": 8, **weights, "discriminator_learning_rate": 1e-4}
        train_ada_output(image, label, image, *out[:2], network=NETWORK, ada_output=values, **common)


def trainer_of(training, data, device, monkeypatch):
    """Return the trainer that a training's function builds."""
    built = []

    def keep(_, name, trainer, *__, **___):
        built.append(getattr(trainer, "trainer", trainer))
        raise Built(name)

    with monkeypatch.context() as patch, pytest.raises(Built):
        patch.setattr(Job, "training", keep)
        begin(training, data, Job(0, "c", device, torch.float32))
    return built[0]


TRAININGS = (
    *("segmenter", "randomized", "self_training", "translator", "cyclegan", "synseg_net", "ada_output", "sifa"),
    "cycada_translator",  # its last stage waits: whether the segmenter moves depends on the discriminator's accuracy
)


@pytest.mark.parametrize("training", TRAININGS)
def test_an_update_asks_the_device_for_nothing(data, monkeypatch, training):
    trainer = trainer_of(training, data, CPU, monkeypatch)
    with ExitStack() as block, monkeypatch.context() as patch:
        for method in ("cpu", "tolist", "numpy", "new_tensor"):
            patch.setattr(torch.Tensor, method, asked)
        block.enter_context(NothingAsked(trainer))
        for step in range(2):
            losses = trainer.update(step)
    assert all(loss.shape == () and not loss.requires_grad for loss in losses.values())


def test_what_asks_is_noticed(data, monkeypatch):
    trainer, x = trainer_of("cyclegan", data, CPU, monkeypatch), torch.ones(3)
    for ask in (lambda: float(x[0]), lambda: bool(x[0] > 0), lambda: torch.nonzero(x), lambda: x[x > 0]):
        with pytest.raises(AssertionError, match="asks the device"), NothingAsked(trainer):
            ask()


@pytest.mark.gpu
@pytest.mark.parametrize("training", TRAININGS)
def test_an_update_on_a_gpu_never_waits_for_it(data, monkeypatch, training):
    trainer = trainer_of(training, data, CUDA, monkeypatch)
    for step in range(2):
        trainer.update(step)  # libraries start, which waits
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(2, 5):
            trainer.update(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        trainer.close()


@pytest.mark.gpu
@pytest.mark.parametrize("training", TRAININGS)
def test_a_resumed_update_on_a_gpu_is_that_of_an_undisturbed_training(data, monkeypatch, training):
    whole = trainer_of(training, data, CUDA, monkeypatch)
    for step in range(3):
        whole.update(step)
    torch.save(whole.state(), data / "state.pt")
    resumed = trainer_of(training, data, CUDA, monkeypatch)
    resumed.restore(torch.load(data / "state.pt", map_location="cpu", weights_only=True))
    for step in range(3, 5):
        expected, found = whole.update(step), resumed.update(step)
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss, rtol=1e-3, atol=1e-3)
    whole.close()
    resumed.close()
