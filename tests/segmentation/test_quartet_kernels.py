"""The Triton kernels against torch's operations: on a card where there is one, else by Triton's interpreter."""

import importlib.util
import os

import pytest
import torch

from dar_uda.segmentation.quartet_ops import ArgmaxAndMean, WeighByMeanMap

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed: `pip install triton` runs its kernels on a CPU", allow_module_level=True)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton's first import

from dar_uda.segmentation import quartet_kernels  # noqa: E402

SHAPES = [(2, 3, 4, 5, 6), (1, 17, 2, 18, 65), (2, 1, 1, 1, 2), (1, 2, 2, 5, 260)]


def drawn(shape, dtype, few_values=False):
    torch.manual_seed(0)
    x, gradient = torch.randn(2, *shape, dtype=torch.float32)
    return (x.round() if few_values else x).to(DEVICE, dtype).requires_grad_(), gradient.to(DEVICE, dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("few_values", [False, True])
def test_pooling_has_values_and_gradients_of_torchs_operations(shape, dtype, tolerance, few_values):
    """With few values most maxima are shared: the first of the voxels gets the gradient."""
    x, gradient = drawn(shape, dtype, few_values)
    found = []
    for form in (quartet_kernels.MaxAndMean, ArgmaxAndMean):
        x_again, *pooled = form.apply(x)
        torch.manual_seed(1)
        gradients = [gradient, *(torch.randn(p.shape).to(DEVICE, dtype) for p in pooled)]
        found.append([*pooled, *torch.autograd.grad([x_again, *pooled], x, gradients)])
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - theirs.double()).norm() <= tolerance * theirs.double().norm()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_weighing_has_values_and_gradients_of_torchs_operations(shape, dtype, tolerance):
    x, gradient = drawn(shape, dtype)
    maps = [torch.rand_like(x.amax(axis, keepdim=True)).detach().requires_grad_() for axis in range(1, 5)]
    found = []
    for form in (quartet_kernels.WeighByMeanMap, WeighByMeanMap):
        y = form.apply(x, *maps)
        found.append([y, *torch.autograd.grad(y, [x, *maps], gradient)])
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - theirs.double()).norm() <= tolerance * theirs.double().norm()


def test_the_check_of_the_kernels_passes():
    quartet_kernels.check(DEVICE)
