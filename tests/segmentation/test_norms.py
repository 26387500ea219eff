import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dar_uda.layers.norm import NormAndActivation
from dar_uda.segmentation.normalization import GroupNorm, JointBatchNorm
from dar_uda.training import cuda_options

SHAPE, GROUPS, EPS = (2, 16, 3, 8, 9), 2, 1e-5


def drawn(dtype, memory_format=torch.contiguous_format, offset=0.5):
    torch.manual_seed(0)
    x, gradient = (torch.randn(SHAPE, dtype=torch.float64) for _ in range(2))
    x = (3 * x + offset).to(dtype).contiguous(memory_format=memory_format)
    return x, torch.randn(16), torch.randn(16), gradient.to(dtype)


def by_definition(x, weight, bias, gradient, slope):
    """Values and gradients in float64."""
    x, weight, bias = (t.double().requires_grad_() for t in (x, weight, bias))
    y = F.group_norm(x, GROUPS, weight, bias, EPS)
    y = y if slope is None else F.leaky_relu(y, slope)
    return [y, *torch.autograd.grad(y, [x, weight, bias], gradient.double())]


def ours(x, weight, bias, gradient, slope):
    x, weight, bias = (t.clone().requires_grad_() for t in (x, weight, bias))
    y = NormAndActivation.apply(x, weight, bias, GROUPS, EPS, slope)[0]
    return [y, *torch.autograd.grad(y, [x, weight, bias], gradient)]


@pytest.mark.parametrize("slope", [None, 0.01])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 5e-3)]
)
def test_norm_and_activation_have_values_and_gradients_of_the_definition(dtype, tolerance, memory_format, slope):
    x, weight, bias, gradient = drawn(dtype, memory_format)
    if dtype == torch.float64:
        weight, bias = weight.double(), bias.double()
    found, expected = (form(x, weight, bias, gradient, slope) for form in (ours, by_definition))
    for one, other in zip(found, expected, strict=True):
        assert (one.double() - other).norm() < tolerance * other.norm()
    assert [t.dtype for t in found] == [dtype, dtype, weight.dtype, weight.dtype]
    assert all(t.is_contiguous(memory_format=memory_format) for t in found[:2])


def test_statistics_of_bfloat16_are_in_float32():
    x, weight, bias, _ = drawn(torch.bfloat16, offset=20.0)
    _, mean, variance = NormAndActivation.apply(x, weight, bias, GROUPS, EPS, None)
    groups = x.double().unflatten(1, (GROUPS, -1)).flatten(2)
    assert mean.dtype == variance.dtype == torch.float32
    torch.testing.assert_close(mean.double(), groups.mean(2), rtol=1e-6, atol=0)  # bfloat16 itself: 4e-3
    torch.testing.assert_close(variance.double(), groups.var(2, correction=0), rtol=1e-4, atol=0)


def test_equal_values_give_the_bias_and_no_nan():
    x = torch.full(SHAPE, 3.0).bfloat16().requires_grad_()
    y = NormAndActivation.apply(x, torch.ones(16), torch.full((16,), 0.25), GROUPS, EPS, 0.01)[0]
    assert (y == 0.25).all()
    y.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_norm_and_activation_keep_the_feature_and_the_output_alone():
    kept, x = [], torch.randn(SHAPE).bfloat16().requires_grad_()
    norm = GroupNorm(16, 0.01)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        NormAndActivation.apply(x, norm.weight, norm.bias, GROUPS, EPS, 0.01)
    assert sum(t.nbytes for t in kept if t.ndim == 5) == 2 * x.nbytes
    assert sum(t.nbytes for t in kept if t.ndim < 5) == 4 * (2 * 2 * GROUPS + 16)


@pytest.mark.parametrize("slope", [None, 0.01])
@pytest.mark.parametrize("axes", [2, 3])
def test_group_norm_is_the_same_on_a_cpu_and_on_a_gpu(monkeypatch, slope, axes):
    """The form for GPUs, here computed on the CPU."""
    torch.manual_seed(0)
    norm, x = GroupNorm(16, slope).double(), torch.randn(2, 16, *(4, 6, 8)[-axes:], dtype=torch.float64)
    nn.init.normal_(norm.weight)
    found = []
    for on_cuda in (False, True):
        monkeypatch.setattr(cuda_options, "on_cuda", lambda _, on_cuda=on_cuda: on_cuda)
        of = x.clone().requires_grad_()
        y = norm(of)
        found.append([y, *torch.autograd.grad(y.square().sum(), [of, *norm.parameters()])])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("momentum", [0.01, None])
def test_joint_batch_norm_of_one_rank_is_torchs(monkeypatch, channels, momentum):
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    torch.manual_seed(0)
    x = torch.randn(2, channels, 4, 5, 6, dtype=torch.float64)
    found = []
    for joint in (False, True):
        norm = JointBatchNorm(channels, momentum=momentum).double()
        of = x.clone().requires_grad_()
        with cuda_options.choosing(joint_batch_norm=joint):
            y = norm(norm(of))
        found.append([y, *torch.autograd.grad(y.pow(3).sum(), [of, *norm.parameters()]), *norm.buffers()])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


def test_joint_batch_norm_takes_bfloat16_and_keeps_statistics_in_float32(monkeypatch):
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    torch.manual_seed(0)
    x, norm = torch.randn(2, 1, 4, 5, 6).bfloat16(), JointBatchNorm(1, momentum=1.0)
    with cuda_options.choosing(joint_batch_norm=True):
        assert norm(x).dtype == torch.bfloat16
    assert norm.running_mean.item() == pytest.approx(x.float().mean().item(), abs=1e-6)
    assert norm.running_var.item() == pytest.approx(x.float().var().item(), rel=1e-4)


def test_joint_batch_norm_of_one_value_is_refused_as_torch_does(monkeypatch):
    """Its variance divides by zero: the running one would be NaN, and every prediction."""
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    norm = JointBatchNorm(2)
    with cuda_options.choosing(joint_batch_norm=True), pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(torch.randn(1, 2, 1, 1, 1))
    assert norm.running_var.tolist() == [1, 1]
