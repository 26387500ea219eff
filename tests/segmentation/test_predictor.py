from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dar_uda
from dar_uda.segmentation.guided_filter import guided_filter
from dar_uda.segmentation.predictor import Predictor
from dar_uda.segmentation.window_scores import WindowScores

CPU, WINDOW = torch.device("cpu"), (3, 6, 8)


@pytest.fixture(scope="module")
def predictor():
    """Every image is one window: its probabilities are the network's."""
    torch.manual_seed(0)
    network = nn.Conv3d(1, 3, 3, padding=1).eval()
    options = {"batch_size": 4, "guided_filter_radius": 0, "flips": True}
    return Predictor(WindowScores(network, torch.float32), CPU, WINDOW, 0.5, "gaussian", **options)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 65536, WINDOW).astype(np.uint16)


@torch.no_grad()
def probabilities(predictor, image):
    """Return (classes, D, H, W) of an image of 0 to 65535, which need not be integers."""
    scaled = torch.from_numpy(np.clip(image, 0, 65535).astype(np.float32) * (2 / 65535) - 1)
    return predictor.scores.network(scaled[None, None])[0].softmax(dim=0).numpy()


def test_slabs_are_the_probabilities_and_classes_the_likeliest(predictor, image):
    expected = probabilities(predictor, image)
    found = torch.cat(list(predictor.slabs(image)), dim=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    classes = predictor.classes(image)
    assert classes.dtype == np.uint8 and classes.shape == WINDOW
    np.testing.assert_array_equal(classes, expected.argmax(axis=0))
    assert predictor.count_windows((3, 6, 8)) == 1 and predictor.count_windows((3, 6, 12)) == 2


def test_all_that_a_predictor_gives_is_filtered_by_the_image_that_it_is_of(predictor, image):
    tall = np.concatenate([image, image[::-1] // 2, image // 3])
    filtered = replace(predictor, guided_filter_radius=2)
    plain = torch.cat(list(predictor.slabs(tall)), dim=1)
    expected = guided_filter(plain, torch.from_numpy(tall.astype(np.float32)) / 65535, 2).clamp(min=0)
    expected = expected / expected.sum(dim=0)
    assert len(list(predictor.slabs(tall))) > 1, "several slabs, each with its part of the image"
    assert (expected - plain).abs().max() > 0.05
    torch.testing.assert_close(torch.cat(list(filtered.slabs(tall)), dim=1), expected)
    np.testing.assert_array_equal(filtered.classes(tall), expected.argmax(dim=0))
    flipped = torch.cat([slabs[1] for slabs in filtered.tta_probabilities(tall)], dim=1)
    turned = torch.cat(list(filtered.slabs(tall[:, ::-1].copy())), dim=1).flip(-2)
    torch.testing.assert_close(flipped, turned)


def test_averaged_are_the_mean_over_the_papers_five_transforms(predictor, image):
    values = image.astype(np.float32)
    changed = [values, values * 1.1, values * 0.9, values + 6553.5]
    transformed = [probabilities(predictor, view) for view in changed]
    transformed.append(probabilities(predictor, image[:, ::-1].copy())[:, :, ::-1])
    found = torch.cat(list(predictor.averaged(image)), dim=1)
    np.testing.assert_allclose(found, np.mean(transformed, axis=0), atol=1e-4)


def test_work_for_which_a_gpu_is_too_small_is_done_window_by_window_and_then_on_the_cpu(predictor):
    tried = []

    def work(one):
        tried.append((one.device.type, one.batch_size))
        if one.device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return one.scores

    on_gpu = replace(predictor, device=torch.device("cuda:0"))
    assert on_gpu.within_memory(work, "c1") is predictor.scores, "copies share the network"
    assert tried == [("cuda", 4), ("cuda", 1), ("cpu", 4)]


def test_all_that_predicts_does_so_with_a_predictor():
    package = Path(dar_uda.__file__).parent
    users = [path.stem for path in package.rglob("*.py") if "import WindowScores" in path.read_text()]
    assert users == ["predictor"]
