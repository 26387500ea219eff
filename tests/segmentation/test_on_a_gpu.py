"""The segmentation networks on a card against float64 on the CPU; TF32 is off."""

import copy

import pytest
import torch

from dar_uda.segmentation.attention import QuartetAttention
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.interpolation import resized
from dar_uda.segmentation.normalisation import GroupNorm
from dar_uda.training import choices

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
CASES = {
    "group_norm": (lambda: GroupNorm(16, 0.01), (2, 16, 8, 24, 24)),
    "quartet_attention": (QuartetAttention, (2, 16, 8, 24, 24)),
    "interpolation": (lambda: Interpolated(), (2, 5, 2, 4, 4)),
    "dar_unet": (lambda: DARUNet(5, deep_supervision=False), (1, 1, 8, 64, 64)),
}
CHOICES = [{}, *({field: True} for field in ("quartet_kernels", "joint_batch_norm", "channels_last"))]
CHOICES += [{"quartet_maxima": "marks", "map_convolution": "slices"}, {"map_convolution": "blocks"}]
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
    x = x.clone().requires_grad_()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = module(x)
    gradients = torch.autograd.grad(y, [x, *module.parameters()], gradient.to(y.dtype))
    return y, torch.cat([g.double().cpu().flatten() for g in gradients])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chosen", CHOICES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_on_a_card_are_those_of_float64(case, chosen, dtype):
    torch.manual_seed(0)
    make, shape = CASES[case]
    module, x = make(), torch.randn(shape)
    features = dtype if case != "dar_unet" else torch.float32  # the network gets an image and autocasts it
    x = x.to(features)
    exact = copy.deepcopy(module).double()
    gradient = torch.randn(copy.deepcopy(exact)(x.double()).shape)
    y, expected = values_and_gradients(exact, x.double(), gradient)
    with choices.choosing(**chosen):
        found_y, found = values_and_gradients(module.to(DEVICE), x.to(DEVICE), gradient.to(DEVICE), dtype)
    assert found_y.dtype == dtype
    others = (1e-4, 1e-3) if dtype == torch.float32 else (2e-2, 5e-2)
    of_values, of_gradients = LIMITS[dtype].get(case, others)
    assert (found_y.double().cpu() - y).norm() < of_values * y.norm()
    assert (found - expected).norm() < of_gradients * expected.norm()
