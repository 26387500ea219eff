"""The Triton kernels against torch's operations: on a card where there is one, else by Triton's interpreter."""

import importlib.util
import os

import pytest
import torch

from dar_uda.layers import kernels
from dar_uda.layers.norm import NormAndActivation

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed: `pip install triton` runs its kernels on a CPU", allow_module_level=True)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton's first import

from dar_uda.layers import norm_kernels  # noqa: E402
from dar_uda.segmentation import quartet_kernels  # noqa: E402

EPS = 1e-5
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
CASES = {  # shape, groups
    "group norm": ((2, 16, 3, 8, 9), 2),
    "few channels": ((2, 4, 3, 5, 7), 1),
    "instance norm": ((3, 6, 5, 13), 6),
    "more channels than a program has": ((1, 136, 2, 2, 3), 17),
    "many tiles": ((1, 2, 3, 50, 60), 1),
    "batch norm of one channel": ((1, 1, 1000), 1),
    "one value": ((2, 8, 1, 1, 1), 1),
}


def drawn(shape, dtype, memory_format, per_sample):
    torch.manual_seed(0)
    x, gradient = (3 * torch.randn(2, *shape) + 5).to(DEVICE, dtype)
    of_weights = shape[:2] if per_sample else shape[1:2]
    weight, bias = torch.randn(2, *of_weights, device=DEVICE)
    return (
        x.contiguous(memory_format=memory_format),
        weight,
        bias,
        (gradient - 5).contiguous(memory_format=memory_format),
    )


def values_and_gradients(form, x, weight, bias, gradient, groups, slope):
    x, weight, bias = (t.clone().requires_grad_() for t in (x, weight, bias))
    y, mean, variance = form.apply(x, weight, bias, groups, EPS, slope)
    return [y, mean, variance, *torch.autograd.grad(y, [x, weight, bias], gradient)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("slope", [None, 0.2])
@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 5e-3)])
def test_norms_have_values_and_gradients_of_float64(case, last, slope, per_sample, dtype, tolerance, monkeypatch):
    shape, groups = CASES[case]
    monkeypatch.setattr(norm_kernels, "PROGRAMS", 8)  # else a part has one tile
    monkeypatch.setattr(norm_kernels, "TILE", 512)
    monkeypatch.setattr(norm_kernels, "PARTS", 2)
    memory_format = LAST.get(len(shape), torch.contiguous_format) if last else torch.contiguous_format
    drawn_values = drawn(shape, dtype, memory_format, per_sample)
    found = values_and_gradients(norm_kernels.NormAndActivation, *drawn_values, groups, slope)
    exact = values_and_gradients(NormAndActivation, *(t.double() for t in drawn_values), groups, slope)
    scale = [t.norm() for t in exact]
    scale[4:] = (size + drawn_values[3].double().norm() for size in scale[4:])  # sums in which much cancels
    if case == "one value":
        scale[3] = drawn_values[3].double().norm() * 300  # no gradient is left of equal values: all is rounding
    for ours, theirs, size in zip(found, exact, scale, strict=True):
        assert (ours.double() - theirs).norm() <= tolerance * size
    assert [t.dtype for t in found] == [dtype, *[torch.float32] * 2, dtype, *[torch.float32] * 2]
    assert all(found[index].is_contiguous(memory_format=memory_format) for index in (0, 3))


@pytest.mark.parametrize("case", ["group norm", "instance norm", "many tiles"])
@pytest.mark.parametrize("last", [False, True])
def test_a_shift_is_that_of_the_feature_with_its_gradient(case, last):
    shape, groups = CASES[case]
    memory_format = LAST.get(len(shape), torch.contiguous_format) if last else torch.contiguous_format
    x, weight, bias, gradient = drawn(shape, torch.float32, memory_format, per_sample=False)
    shift = torch.linspace(-1, 2, shape[1], device=DEVICE).requires_grad_()
    y = norm_kernels.NormAndActivation.apply(x, weight, bias, groups, EPS, 0.2, shift)[0]
    (found,) = torch.autograd.grad(y, shift, gradient)
    exact = shift.detach().double().requires_grad_()
    moved = x.double() + exact.view(1, -1, *(1 for _ in shape[2:]))
    expected = NormAndActivation.apply(moved, weight.double(), bias.double(), groups, EPS, 0.2)[0]
    (expected_gradient,) = torch.autograd.grad(expected, exact, gradient.double())
    assert (y.double() - expected).norm() < 1e-6 * expected.norm()
    scale = expected_gradient.norm() + gradient.double().norm() * weight.abs().max()  # instance norm: zero
    assert (found.double() - expected_gradient).norm() < 1e-5 * scale


def test_a_gradient_in_another_memory_format_is_taken():
    x, weight, bias, gradient = drawn((2, 8, 3, 4, 5), torch.float32, torch.channels_last_3d, per_sample=False)
    found = values_and_gradients(norm_kernels.NormAndActivation, x, weight, bias, gradient.contiguous(), 1, 0.1)
    expected = values_and_gradients(NormAndActivation, x, weight, bias, gradient, 1, 0.1)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_large_mean_costs_no_digits():
    """Mean 1000, standard deviation 1: the mean of squares minus the squared mean would leave 1 of 7 digits."""
    torch.manual_seed(0)
    x = (torch.randn(1, 2, 4000, dtype=torch.float64) + 1000).float().to(DEVICE)
    _, mean, variance = norm_kernels.NormAndActivation.apply(
        x, torch.ones(2, device=DEVICE), torch.zeros(2, device=DEVICE), 1, EPS, None
    )
    torch.testing.assert_close(mean.double().item(), x.double().mean().item(), rtol=1e-6, atol=0)
    torch.testing.assert_close(variance.double().item(), x.double().var(correction=0).item(), rtol=1e-4, atol=0)


def test_the_check_of_the_kernels_passes():
    norm_kernels.check(DEVICE)


def test_the_kernels_work_where_a_caller_computes_no_gradients_at_all():
    kernels._working.cache_clear()
    x, (weight, bias) = torch.randn(1, 8, 4, 4, device=DEVICE), torch.randn(2, 8, device=DEVICE)
    with torch.inference_mode():
        assert kernels.kernels_for(x, lambda: norm_kernels) is norm_kernels
        y, *_ = norm_kernels.NormAndActivation.apply(x, weight, bias, 1, EPS, None)
    torch.testing.assert_close(y, torch.nn.functional.group_norm(x, 1, weight, bias, EPS))


def test_kernels_are_launched_where_the_feature_lies(monkeypatch):
    """Not on the current GPU, which in another thread is the first."""
    places = []

    class Noted(torch.cuda.device_of):
        def __init__(self, x):
            super().__init__(x)
            places.append(x.shape)

    monkeypatch.setattr(torch.cuda, "device_of", Noted)
    x, (weight, bias) = torch.randn(1, 8, 4, 4, device=DEVICE), torch.randn(2, 8, device=DEVICE)
    norm_kernels.NormAndActivation.apply(x, weight, bias, 1, EPS, None)
    _, *pooled = quartet_kernels.MaxAndMean.apply(x[None])
    quartet_kernels.WeighByMeanMap.apply(x[None], *(p[:, :1].sum(1).unsqueeze(k) for k, p in enumerate(pooled, 1)))
    assert places == [x.shape, x[None].shape, x[None].shape]
