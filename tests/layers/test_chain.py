import pytest
import torch
from torch import nn

from dar_uda.layers.chain import Chain
from dar_uda.segmentation.convolution import Conv3d
from dar_uda.segmentation.normalization import GroupNorm
from dar_uda.training import cuda_options


@pytest.fixture(params=[False, True], ids=["CPU", "forms for GPUs"], autouse=True)
def _on_cuda(request, monkeypatch):
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: request.param)


def layers():
    torch.manual_seed(0)
    made = [Conv3d(2, 8, 3), GroupNorm(8, 0.1), nn.Identity(), Conv3d(8, 4, 3), GroupNorm(4), Conv3d(4, 3, 1)]
    for layer in made:
        for weight in layer.parameters():
            nn.init.normal_(weight)
    return [layer.double() for layer in made]


def values_and_gradients(function, parts):
    torch.manual_seed(1)
    x = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    y = function(x)
    parameters = [p for layer in parts for p in layer.parameters()]
    return [y, *torch.autograd.grad((y * torch.randn(y.shape, dtype=y.dtype)).sum(), [x, *parameters])]


def one_by_one(parts):
    """The layers with every bias where it belongs."""

    def function(x):
        for layer in parts:
            x = layer(x)
        return x

    return function


def assert_equal(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_a_chain_is_its_layers_one_by_one():
    parts = layers()
    assert_equal(values_and_gradients(Chain(*parts), parts), values_and_gradients(one_by_one(parts), parts))


def test_the_last_bias_added_to_the_rest_is_the_chain():
    parts = layers()

    def in_two(x):
        y, bias = Chain(*parts).but_last_bias(x)
        return y + bias.view(-1, 1, 1, 1)

    assert_equal(values_and_gradients(in_two, parts), values_and_gradients(one_by_one(parts), parts))


def test_a_chain_that_begins_with_a_norm_takes_a_shift():
    norm, x, shift = GroupNorm(8).double(), torch.randn(2, 8, 3, 4, 5).double(), torch.randn(8).double()
    expected = torch.nn.functional.group_norm(x + shift.view(-1, 1, 1, 1), 1, norm.weight, norm.bias)
    torch.testing.assert_close(Chain(norm)(x, shift), expected, rtol=1e-9, atol=1e-9)


def test_a_norm_takes_the_bias_of_the_convolution_before_it_and_no_other(monkeypatch):
    parts, left = layers(), []
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    plain = Conv3d.without_bias
    monkeypatch.setattr(Conv3d, "without_bias", lambda self, x: left.append(self.out_channels) or plain(self, x))
    Chain(*parts)(torch.randn(1, 2, 3, 4, 5).double())
    assert left == [8, 4]  # behind the last there is none
