"""Quartet attention's convolution with blocks as channels, against torch's of voxels."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from dar_uda.segmentation.map_blocks import convolve_in_blocks
from dar_uda.segmentation.quartet_ops import convolve_map
from dar_uda.training import cuda_options

SIDES = [(8, 4, 12), (5, 9, 6), (1, 2, 3), (4, 13, 4)]


class Copies(TorchDispatchMode):
    """Shapes of the tensors that operations copy."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function == torch.ops.aten.clone.default:
            self.shapes.append(tuple(args[0].shape))
        return function(*args, **(kwargs or {}))


def plain(x, weight):
    return F.conv3d(x, weight.to(x.dtype), padding=3)


def values_and_gradients(form, x, weight, gradient):
    x, weight = (t.clone().requires_grad_() for t in (x, weight))
    y = form(x, weight)
    return [y.detach(), *torch.autograd.grad(y, [x, weight], gradient.to(y.dtype))]


def drawn(sides, dtype):
    """Return a map, a weight and a gradient in float64, of numbers that a precision represents."""
    torch.manual_seed(0)
    shapes = (2, 2, *sides), (1, 2, 7, 7, 7), (2, 1, *sides)
    return [torch.randn(shape).to(dtype).double() for shape in shapes]


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("turned", [False, True])
def test_blocks_give_values_and_gradients_of_the_3d_convolution(sides, turned):
    x, weight, gradient = drawn(sides, torch.float64)
    if turned:  # as quartet attention does with its maps
        x, gradient = x.transpose(2, 4).contiguous().transpose(2, 4), gradient.transpose(3, 4).contiguous().mT
    found, expected = (values_and_gradients(form, x, weight, gradient) for form in (convolve_in_blocks, plain))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_blocks_round_no_more_than_the_3d_convolution(sides, dtype):
    """The weight is in float32, as a network's. Each form rounds every result of a convolution once: half is chance."""
    exact = drawn(sides, dtype)
    expected = values_and_gradients(plain, *exact)
    x, weight, gradient = exact[0].to(dtype), exact[1].float(), exact[2].to(dtype)
    ours, theirs = (values_and_gradients(form, x, weight, gradient) for form in (convolve_in_blocks, plain))
    assert [t.dtype for t in ours] == [dtype, dtype, torch.float32]
    for found, of_plain, right in zip(ours, theirs, expected, strict=True):
        allowed = 1.5 * (of_plain.double() - right).norm() + 1e-7 * right.norm()
        assert (found.double() - right).norm() <= allowed


def test_a_map_of_whole_blocks_is_copied_once_each_way():
    """Map and output, and in the backward their gradients; nothing is padded, nothing laid out twice."""
    x, weight = torch.zeros(1, 2, 8, 12, 8, requires_grad=True), torch.zeros(1, 2, 7, 7, 7)
    with Copies() as forward:
        y = convolve_in_blocks(x.transpose(2, 4), weight)
    with Copies() as backward:
        y.backward(torch.zeros(y.shape))
    of_kernel = (64, 3, 3, 3, 2, 4, 4, 4)
    assert forward.shapes == [(1, 2, 3, 2, 2, 4, 4, 4), of_kernel, (1, 1, 2, 4, 3, 4, 2, 4)]
    assert backward.shapes == [(1, 2, 3, 2, 1, 4, 4, 4), (1, 2, 2, 4, 3, 4, 2, 4)]


@pytest.mark.parametrize("form", ["conv3d", "slices", "blocks"])
def test_every_choice_computes_the_same_map(monkeypatch, form):
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    x, weight, gradient = drawn((5, 9, 6), torch.float64)
    with cuda_options.choosing(map_convolution=form):
        found = values_and_gradients(convolve_map, x, weight, gradient)
    torch.testing.assert_close(found, values_and_gradients(plain, x, weight, gradient), rtol=1e-10, atol=1e-10)
