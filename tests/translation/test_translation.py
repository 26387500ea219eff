import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.optim import SGD
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.literal.translator import literal_step
from dar_uda.data.network_volume import open_affine, open_image, write_image
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.job import Job
from dar_uda.training.randomness import generator_for
from dar_uda.training.weights import save_weights
from dar_uda.translation.losses import least_squares_gan_loss, paired_l1
from dar_uda.translation.slices import SliceSampler, augment, to_network_range
from dar_uda.translation.styles import central_slices, choose_styles, cluster_codes, encode_styles
from dar_uda.translation.synthesis import synthesize_volume
from dar_uda.translation.train import TranslatorTrainer, train_translator
from dar_uda.translation.translator import Translator

CPU = torch.device("cpu")
LOSS_WEIGHTS = {
    "pixel_reconstruction": 10.0,
    "pixel_cycle": 10.0,
    "content_reconstruction": 1.0,
    "style_reconstruction": 1.0,
    "adversarial_image": 1.0,
    "adversarial_content": 1.0,
}
NETWORK = {
    "width": 4,
    "style_dim": 8,
    "style_statistics": False,
    "learning_rate": {"generator": 1e-3, "discriminator": 1e-3},
    "ema_decay": 0.999,
    "loss_weights": LOSS_WEIGHTS,
}
JOB = Job(0, "c", CPU, torch.float32)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    """Domain a: a bright disc on gray; domain b: a dark disc on bright ground."""
    folder = tmp_path_factory.mktemp("stacks")
    rng = np.random.default_rng(0)
    rows, columns = np.indices((64, 64))
    paths = []
    for name, (disc, ground) in {"a": (0.9, 0.4), "b": (0.2, 0.7)}.items():
        slices = []
        for _ in range(9):
            inside = (rows - rng.uniform(24, 40)) ** 2 + (columns - rng.uniform(24, 40)) ** 2 < 144
            slices.append(np.where(inside, disc, ground) + rng.normal(0, 0.02, (64, 64)))
        np.save(folder / f"{name}.npy", (np.clip(slices, 0, 1) * 65535).astype(np.uint16))
        paths.append(folder / f"{name}.npy")
    return paths


def train(stacks, folder, **changes):
    folder.mkdir(exist_ok=True)
    train_translator(
        stacks,
        folder / "weights.safetensors",
        folder / "history.tsv",
        folder / "previews.png",
        job=replace(JOB, seed=changes.pop("seed", 0)),
        translation={
            **{"batch_size": 2, "epochs": 1, "steps": 5, "crop_size": None, "checkpoint_every": 2, "preview_every": 3},
            **NETWORK,
            **changes,
        },
    )
    return (folder / "weights.safetensors").read_bytes()


def test_gan_loss_by_hand():
    scores = [torch.tensor([0.5, 1.0]), torch.tensor([0.0])]
    assert least_squares_gan_loss(scores, real=True).item() == pytest.approx(0.125 + 1)
    assert least_squares_gan_loss(scores, real=False).item() == pytest.approx(0.625 + 0)


def test_paired_l1_sums_the_means_of_the_domains():
    first, second = [torch.zeros(2), torch.zeros(4)], [torch.tensor([1.0, 3.0]), torch.full((4,), 0.5)]
    assert paired_l1(first, second).item() == pytest.approx(2.5)


def test_stored_intensities_become_minus_one_to_one():
    assert to_network_range(np.array([0, 65535], np.uint16)).tolist() == [-1.0, 1.0]


def test_what_augmentation_brings_in_is_background():
    images = torch.ones(40, 1, 32, 32)
    out = augment(images, np.random.default_rng(0))
    assert out.min() == -1 and out.max() <= 1 + 1e-6
    untouched = (out == 1).flatten(1).all(dim=1).float().mean()
    assert 0.3 < untouched < 0.7  # flips alone leave a constant image as it is


def test_crops_are_as_large_as_asked_and_never_larger_than_the_slice(stacks):
    rng = np.random.default_rng(0)
    assert SliceSampler(stacks[0], 3, 48).draw(rng, CPU).shape == (3, 1, 48, 48)
    assert SliceSampler(stacks[0], 3, 500).draw(rng, CPU).shape == (3, 1, 64, 64)


def test_images_without_contrast_are_drawn_again(tmp_path):
    slices = np.zeros((10, 64, 64), np.uint16)
    slices[3, 20:40, 20:40] = 65535
    np.save(tmp_path / "sparse.npy", slices)
    images = SliceSampler(tmp_path / "sparse.npy", 8, 48).draw(np.random.default_rng(0), CPU)
    assert (images.flatten(1).std(dim=1) > 0).all()
    np.save(tmp_path / "empty.npy", np.zeros((10, 64, 64), np.uint16))
    with pytest.raises(ValueError, match=r"empty\.npy: no slice with contrast in 100 draws"):
        SliceSampler(tmp_path / "empty.npy", 2, None).draw(np.random.default_rng(0), CPU)


def test_one_update_reports_the_six_generator_losses_and_moves_every_network(stacks):
    trainer = TranslatorTrainer([SliceSampler(s, 2, None) for s in stacks], JOB, **NETWORK)
    before = {name: p.clone() for name, p in trainer.translator.named_parameters()}
    discriminators_before = {name: p.clone() for name, p in trainer.discriminators.named_parameters()}
    losses = trainer.update(0)
    assert set(losses) == {*LOSS_WEIGHTS, "discriminators"} and all(value > 0 for value in losses.values())
    still = [n for n, p in trainer.translator.named_parameters() if torch.equal(p, before[n])]
    assert [n for n in still if "weight" in n] == []
    assert not all(torch.equal(p, discriminators_before[n]) for n, p in trainer.discriminators.named_parameters())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_one_update_is_that_of_the_literal_step(stacks, dtype, tolerance):
    """Losses and, through plain gradient descent with rate 1, the gradients of every network."""
    found = []
    for literal in (False, True):
        trainer = TranslatorTrainer([SliceSampler(s, 2, None) for s in stacks], JOB, **NETWORK)
        parts = trainer.translator.to(dtype), trainer.discriminators.to(dtype)
        generator, discriminator = ([p for p in part.parameters()] for part in parts)
        before = [p.detach().clone() for p in [*generator, *discriminator]]
        trainer.generator_optimizer, trainer.discriminator_optimizer = SGD(generator, 1.0), SGD(discriminator, 1.0)
        trainer.average.module.to(dtype)
        images = [
            sampler.draw(generator_for(0, "slices", side, 0), CPU).to(dtype)
            for side, sampler in zip("ab", trainer.samplers, strict=True)
        ]
        trainer.samplers = [SimpleNamespace(draw=lambda *_, image=image: image) for image in images]
        losses = literal_step(trainer, *images) if literal else trainer.update(0)
        gradients = [p.detach() - old for p, old in zip([*generator, *discriminator], before, strict=True)]
        found.append(([float(losses[name]) for name in LOSS_WEIGHTS], gradients))
    assert found[0][0] == pytest.approx(found[1][0], rel=tolerance)
    largest = max(float(gradient.abs().max()) for gradient in found[1][1])  # a bias before a norm has rounding alone
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * largest)


class Operations(TorchDispatchMode):
    """Notes the names of the operations that run, in the backward pass too."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function._schema.name.removeprefix("aten::"))
        return function(*args, **(kwargs or {}))


def test_an_update_has_no_operation_that_cuda_computes_in_random_order(stacks):
    """The names are those in the documentation of `torch.use_deterministic_algorithms` that a GAN may meet."""
    trainer = TranslatorTrainer([SliceSampler(s, 2, None) for s in stacks], JOB, **NETWORK)
    with Operations() as operations:
        trainer.update(0)
    assert {"convolution_backward", "native_batch_norm_backward"} <= operations.names
    random = re.compile(
        r"(reflection|replication)_pad.*_backward|upsample_(bi|tri)?(linear|cubic).*_backward|grid_sampler_.*_backward"
        r"|_?adaptive_(avg|max)_pool.*_backward|avg_pool3d_backward|scatter.*|index_(add|select|copy)|cumsum|bincount"
    )
    assert [name for name in operations.names if random.fullmatch(name.rstrip("_"))] == []


@pytest.mark.gpu
def test_two_updates_on_a_gpu_from_one_seed_are_the_same_bytes(stacks):
    torch.use_deterministic_algorithms(True)  # an operation without such a form raises an error
    try:
        states = []
        for _ in range(2):
            job = replace(JOB, device=torch.device("cuda"))
            trainer = TranslatorTrainer([SliceSampler(s, 2, None) for s in stacks], job, **NETWORK)
            for step in range(2):
                trainer.update(step)
            states.append([p.detach().cpu() for p in trainer.translator.parameters()])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(*pair) for pair in zip(*states, strict=True))


def test_average_starts_as_a_copy_and_follows_the_warm_up(stacks):
    trainer = TranslatorTrainer([SliceSampler(s, 2, None) for s in stacks], JOB, **NETWORK)
    start = trainer.translator.decoder.last.weight.clone()
    assert torch.equal(trainer.average.module.decoder.last.weight, start)
    trainer.update(0)
    now = trainer.translator.decoder.last.weight
    torch.testing.assert_close(trainer.average.module.decoder.last.weight, start + 0.9 * (now - start))  # 1 - 1 / 10


def test_training_learns_to_reconstruct(stacks, tmp_path):
    train(stacks, tmp_path / "long", steps=28)
    history = pd.read_csv(tmp_path / "long" / "history.tsv", sep="\t")
    assert history["pixel_reconstruction"].tail(5).mean() < 0.5 * history["pixel_reconstruction"].head(5).mean()
    assert (tmp_path / "long" / "previews.png").stat().st_size > 1000


def test_a_file_comes_back_as_the_same_translator_and_one_of_an_earlier_version_is_refused(tmp_path):
    path, images = tmp_path / "weights.safetensors", torch.randn(1, 1, 64, 64)
    translator = Translator(2).eval()
    translator.save(path)
    again = Translator.load(path, CPU)
    assert again.arguments == translator.arguments
    assert torch.equal(again.content(images), translator.content(images))
    save_weights(path, translator, translator.arguments)
    with pytest.raises(ValueError, match=r"weights\.safetensors: .*reflection.* zeros: .*run train_translator again"):
        Translator.load(path, CPU)


def test_a_killed_training_resumes_to_identical_weights(stacks, tmp_path, monkeypatch):
    expected = train(stacks, tmp_path / "whole")
    save = CheckpointFolder.save

    def save_and_die(self, state):
        save(self, state)
        if state["step"] == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointFolder, "save", save_and_die)
        train(stacks, tmp_path / "killed")
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    assert train(stacks, tmp_path / "killed") == expected
    history = pd.read_csv(tmp_path / "killed" / "history.tsv", sep="\t")
    assert list(history["step"]) == [1, 2, 3, 4, 5]


def test_central_two_thirds_of_the_slices():
    table = pd.DataFrame({"case": "x", "slice": range(12), "depth": 12})
    assert list(central_slices(table)["slice"]) == list(range(2, 10))


def test_clusters_separate_distinct_styles_and_too_few_slices_are_refused():
    vectors = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 5, axis=0)
    labels = cluster_codes(vectors, 3, seed=0)
    assert len({tuple(labels[i : i + 5]) for i in (0, 5, 10)}) == 3 and len(set(labels)) == 3
    with pytest.raises(ValueError, match="15 target slices.*20"):
        cluster_codes(vectors, 20, seed=0)


def test_multi_draws_a_member_of_every_cluster_and_average_the_mean():
    vectors, labels = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 1, 1])
    multi = choose_styles(vectors, labels, ["p", "q"], "multi", seed=0)
    assert list(zip(multi["case"], multi["style"], strict=True)) == [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    for row in multi.itertuples():
        members = vectors[labels == row.style]
        assert [row.code_0, row.code_1] in members.tolist()
    pd.testing.assert_frame_equal(multi, choose_styles(vectors, labels, ["p", "q"], "multi", seed=0))
    average = choose_styles(vectors, np.zeros(6, int), ["p"], "average", seed=0)
    assert average[["code_0", "code_1"]].values.tolist() == [[5.0, 6.0]]


def test_styles_and_synthesis_run_for_real_and_repeat(stacks, tmp_path):
    train(stacks, tmp_path)
    pd.DataFrame({"case": "nan", "slice": range(9), "depth": 9}).to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    affine = np.diag([-2.0, -2.0, 5.0, 1.0])
    write_image(tmp_path / "image.nii", np.random.default_rng(0).random((11, 64, 64), np.float32), affine)
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        encode_styles(
            tmp_path / "weights.safetensors",
            stacks[1],
            tmp_path / "b.tsv",
            folder / "codes.tsv",
            folder / "styles.tsv",
            domain="b",
            strategy="multi",
            clusters=2,
            source_cases=["NA"],
            seed=0,
            device="cpu",
            threads=1,
        )
        volumes = [folder / "style-0.nii", folder / "style-1.nii"]
        synthesize_volume(
            tmp_path / "weights.safetensors",
            folder / "styles.tsv",
            tmp_path / "image.nii",
            volumes,
            case="NA",
            device="cpu",
            threads=1,
        )
        made.append([path.read_bytes() for path in volumes])
    assert made[0] == made[1] and made[0][0] != made[0][1]
    assert open_image(volumes[0]).shape == (11, 64, 64)
    np.testing.assert_allclose(open_affine(volumes[0]), affine)
    codes = (tmp_path / "first" / "codes.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[0] for row in codes] == ["nan"] * 6, "names that pandas takes for missing values"
