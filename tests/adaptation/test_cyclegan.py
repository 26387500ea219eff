import numpy as np
import pandas as pd
import pytest
import torch

from dar_uda.adaptation.cyclegan import CycleGAN, PatchDiscriminator, ResNetGenerator
from dar_uda.adaptation.image_pool import SIZE, ImagePool
from dar_uda.adaptation.synthesis import translate_volume
from dar_uda.adaptation.train_cyclegan import falling, train_cyclegan
from dar_uda.data.network_volume import open_affine, open_image, write_image
from dar_uda.training.checkpoint import CheckpointFolder
from dar_uda.training.job import Job

SETTINGS = {
    "width": 4,
    "blocks": 2,
    "batch_size": 2,
    "epochs": 1,
    "crop_size": None,
    "learning_rate": 2e-3,
    "cycle_weight": 10.0,
}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    """Domain a: a bright disc on gray; domain b: a dark disc on bright ground."""
    folder, paths = tmp_path_factory.mktemp("stacks"), []
    rng, (rows, columns) = np.random.default_rng(0), np.indices((32, 32))
    for name, (disc, ground) in {"a": (0.9, 0.4), "b": (0.2, 0.7)}.items():
        centers = rng.uniform(12, 20, (8, 2))
        slices = [np.where((rows - r) ** 2 + (columns - c) ** 2 < 36, disc, ground) for r, c in centers]
        np.save(folder / f"{name}.npy", (np.stack(slices) * 65535).astype(np.uint16))
        paths.append(folder / f"{name}.npy")
    return paths


def train(stacks, folder, **changes):
    folder.mkdir(exist_ok=True)
    files = (folder / name for name in ("weights.safetensors", "history.tsv", "previews.png"))
    job = Job(changes.pop("seed", 0), "c", torch.device("cpu"), torch.float32)
    train_cyclegan(stacks, *files, job, {"steps": 6, "checkpoint_every": 2, **SETTINGS, **changes})
    return (folder / "weights.safetensors").read_bytes()


def test_networks_have_the_papers_parameters():
    """Zhu et al., appendix: c7s1-64, d128, d256, nine R256, u128, u64, c7s1-1; C64-C128-C256-C512 and one score."""
    blocks = 9 * 2 * (9 * 256 * 256 + 256)
    ends = (49 * 64 + 64) + (49 * 64 + 1)
    strided = (9 * 64 * 128 + 128) + (9 * 128 * 256 + 256)
    transposed = (9 * 256 * 128 + 128) + (9 * 128 * 64 + 64)
    assert sum(p.numel() for p in ResNetGenerator().parameters()) == blocks + ends + strided + transposed
    widths = [1, 64, 128, 256, 512, 1]
    discriminator = sum(16 * i * o + o for i, o in zip(widths, widths[1:], strict=False))
    assert sum(p.numel() for p in PatchDiscriminator().parameters()) == discriminator


def test_a_score_sees_70_pixels_and_sizes_stay():
    discriminator = PatchDiscriminator(2)
    for layer in discriminator.modules():
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = lambda x: x  # it sees the whole image
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    scores = discriminator(image)
    assert scores.shape == (1, 1, 14, 14)
    scores[0, 0, 7, 7].backward()
    seen = image.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert int(seen[-1] - seen[0]) + 1 == 70
    assert ResNetGenerator(2, 1)(torch.zeros(2, 1, 36, 48)).shape == (2, 1, 36, 48)


def test_the_pool_fills_then_exchanges_half_of_the_images():
    pool, rng = ImagePool(torch.device("cpu")), np.random.default_rng(0)
    first = torch.arange(SIZE, dtype=torch.float32).view(-1, 1, 1, 1)
    assert torch.equal(pool.exchange(first, rng), first)
    shown = pool.exchange(torch.full((400, 1, 1, 1), -1.0), rng)
    kept = (shown >= 0).sum().item()
    assert 20 < kept <= SIZE  # each at most once
    assert sum(float(image) == -1 for image in pool.images) == kept
    assert (shown == -1).sum().item() == 400 - kept


def test_rates_are_constant_over_the_first_half_and_fall_to_nothing():
    assert [falling(p) for p in (0.0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]


def test_training_learns_to_come_back_and_writes_whole_outputs(stacks, tmp_path):
    train(stacks, tmp_path, steps=60)
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    assert list(history.columns) == ["step", "adversarial", "cycle", "discriminators"]
    assert history["cycle"].tail(5).mean() < 0.6 * history["cycle"].head(5).mean()
    names = ["history.tsv", "previews.png", "weights.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_killed_training_resumes_to_identical_weights(stacks, tmp_path, monkeypatch):
    expected, save = train(stacks, tmp_path / "whole"), CheckpointFolder.save

    def save_and_die(self, state):
        save(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointFolder, "save", save_and_die)
        train(stacks, tmp_path / "killed")
    assert train(stacks, tmp_path / "killed") == expected


def test_a_volume_is_translated_slice_by_slice_on_its_grid(tmp_path):
    torch.manual_seed(0)
    network = CycleGAN(4, 1).eval()
    network.save(tmp_path / "weights.safetensors")
    values = np.random.default_rng(0).random((11, 16, 16), dtype=np.float32)
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    write_image(tmp_path / "image.nii", values, affine)
    files = (tmp_path / name for name in ("weights.safetensors", "image.nii", "volume.nii"))
    translate_volume(*files, "BtoA", "c1", "cpu", 1)
    stored = open_image(tmp_path / "image.nii")[10].astype(np.float32)
    expected = network(torch.from_numpy(stored / 65535 * 2 - 1)[None, None], "BtoA")[0, 0]
    found = open_image(tmp_path / "volume.nii")
    assert found.shape == (11, 16, 16)
    np.testing.assert_allclose(found[10] / 65535, (expected.detach().numpy() + 1) / 2, atol=2e-4)
    np.testing.assert_allclose(open_affine(tmp_path / "volume.nii"), affine)
