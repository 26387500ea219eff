"""The segmentation networks on a card against float64 on the CPU; TF32 is off."""

import copy
from functools import cache

import numpy as np
import pytest
import torch

from dar_uda.segmentation.attention import QuartetAttention
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.interpolation import resized
from dar_uda.segmentation.normalization import GroupNorm
from dar_uda.segmentation.sliding_window import _cut, predict_slabs
from dar_uda.segmentation.window_scores import WindowScores
from dar_uda.training import cuda_options

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
CASES = {
    "group_norm": (lambda: GroupNorm(16, 0.01), (2, 16, 8, 24, 24)),
    "quartet_attention": (QuartetAttention, (2, 16, 4, 20, 24)),
    "interpolation": (lambda: Interpolated(), (2, 5, 2, 4, 4)),
    "dar_unet": (lambda: DARUNet(5, deep_supervision=False), (1, 1, 8, 32, 32)),
}
PLAIN = {"map_convolution": "conv3d", "quartet_kernels": False, "norm_kernels": False, "quartet_maxima": "argmax"}
PLAIN |= {"joint_batch_norm": False, "channels_last": False}
FAST = {"quartet_kernels": True, "norm_kernels": True, "joint_batch_norm": True, "channels_last": True}
CHOICES = [PLAIN, *(PLAIN | {field: True} for field in FAST), PLAIN | FAST | {"map_convolution": "blocks"}]
CHOICES += [PLAIN | {"quartet_maxima": "marks", "map_convolution": "slices"}]
LIMITS = {  # of values and gradients; the forms for GPUs, computed on a CPU, stay below half of them
    torch.float32: {"dar_unet": (1e-4, 5e-3)},  # a maximum whose place rounding changes moves a gradient
    torch.bfloat16: {"quartet_attention": (2e-2, 0.15), "dar_unet": (3e-2, 0.3)},
}


class Interpolated(torch.nn.Module):
    def forward(self, x):
        return resized(x, (16, 64, 64))


@pytest.fixture(autouse=True)
def _without_tf32():
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, allowed in zip(backends, before, strict=True):
        backend.allow_tf32 = allowed


def values_and_gradients(module, x, gradient, dtype=torch.float32):
    x = x.detach().clone().requires_grad_()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = module(x)
    gradients = torch.autograd.grad(y, [x, *module.parameters()], gradient.to(y.dtype))
    return y, torch.cat([g.double().cpu().flatten() for g in gradients])


@cache
def exact(case):
    """Return a case's module, input and gradient of the output, with its values and gradients in float64.

    The input is one that bfloat16 has, so that one reference serves for all types.
    """
    torch.manual_seed(0)
    make, shape = CASES[case]
    module, x = make(), torch.randn(shape).bfloat16().float()
    reference = copy.deepcopy(module).double()
    with torch.no_grad():
        gradient = torch.randn(copy.deepcopy(reference)(x.double()).shape)
    y, gradients = values_and_gradients(reference, x.double(), gradient)
    return module, x, gradient, y.detach(), gradients


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chosen", CHOICES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_on_a_card_are_those_of_float64(case, chosen, dtype):
    module, x, gradient, y, expected = exact(case)
    features = dtype if case != "dar_unet" else torch.float32  # the network gets an image and autocasts it
    with cuda_options.choosing(**chosen):
        there = copy.deepcopy(module).to(DEVICE)
        found_y, found = values_and_gradients(there, x.to(DEVICE, features), gradient.to(DEVICE), dtype)
    assert found_y.dtype == dtype
    others = (1e-4, 1e-3) if dtype == torch.float32 else (2e-2, 5e-2)
    of_values, of_gradients = LIMITS[dtype].get(case, others)
    assert (found_y.double().cpu() - y).norm() < of_values * y.norm()
    assert (found - expected).norm() < of_gradients * expected.norm()


@pytest.mark.parametrize("weighting", ["constant", "gaussian"])
def test_a_gpu_gives_the_probabilities_of_a_cpu_and_keeps_them(weighting):
    torch.manual_seed(0)
    network, device = DARUNet(5, [8] * 5).eval(), torch.device("cuda")
    image = np.random.default_rng(0).integers(0, 65536, (12, 40, 50)).astype(np.uint16)
    whole = image, (8, 32, 32), 0.5, weighting, 3
    with torch.inference_mode():
        expected = torch.cat(list(predict_slabs(network, *whole, torch.device("cpu"))), dim=1)
        for dtype in (torch.float32, torch.bfloat16):
            slabs = list(predict_slabs(WindowScores(network, dtype).on(device, 3), *whole, device))
            assert all(slab.is_cuda and slab.dtype == torch.float32 for slab in slabs)
            assert (torch.cat(slabs, dim=1).cpu() - expected).abs().max() < 2e-2, dtype
        network.cpu()


def test_a_card_gets_the_intensities_of_a_cpu_bit_for_bit():
    image = np.arange(2**16, dtype=np.uint16).reshape(1, 256, 256)
    place = (0, 0, 0), (1, 0, 3), (3, 256, 262)
    found, expected = (_cut(image, *place, torch.device(kind)) for kind in (DEVICE, "cpu"))
    assert found.is_cuda and torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("batch_size", [3, 4])
def test_replayed_windows_on_a_card_have_the_probabilities_of_launched_ones(monkeypatch, caplog, batch_size):
    """Four windows a slab; the capture is freed with a batch of another size, and made again."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    torch.manual_seed(0)
    network, device = DARUNet(5, [8] * 5).eval().to(DEVICE), torch.device(DEVICE, 0)
    images = [np.random.default_rng(0).integers(0, 65536, (d, 40, 40)).astype(np.uint16) for d in (28, 12)]

    def predicted(scores, image, batch):
        with torch.inference_mode(len(image) == 28):
            slabs = predict_slabs(scores.on(device, batch), image, (8, 32, 32), 0.5, "gaussian", batch, device)
            return torch.cat(list(slabs), dim=1).cpu()

    launched = WindowScores(network, torch.bfloat16)
    with cuda_options.choosing(captured_windows=False):
        expected = [predicted(launched, image, count) for count in (batch_size, 1) for image in images]
    with cuda_options.choosing(captured_windows=True):
        replayed = WindowScores(network, torch.bfloat16)
        found = []
        for count in (batch_size, 1):
            found += [predicted(replayed, image, count) for image in images]
            assert replayed._captured._recorded
        replayed.on(torch.device("cpu"), 1)
    assert caplog.records == []
    assert all(map(torch.equal, found, expected))
