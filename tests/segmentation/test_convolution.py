import pytest
import torch
import torch.nn.functional as F

from dar_uda.segmentation.convolution import Conv3d, UpConv3d, weight_gradient

STRIDES = [(1, 1, 1), (1, 2, 2), (2, 2, 2)]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("channels", [(2, 5), (5, 2)])
@pytest.mark.parametrize("depth", [2, 4, 6])
def test_weight_gradient_over_slices_is_that_of_the_3d_convolution(stride, channels, depth):
    torch.manual_seed(0)
    inputs, outputs = channels
    x = torch.randn(2, inputs, depth, 8, 6, dtype=torch.float64)
    weight = torch.randn(outputs, inputs, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    y = F.conv3d(x, weight, None, stride, 1)
    gradient = torch.randn_like(y)
    (expected,) = torch.autograd.grad(y, weight, gradient)
    found = weight_gradient(x, gradient, weight.shape, stride)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("up", [False, True])
def test_bfloat16_on_a_cpu_is_the_plain_convolution_to_its_precision(stride, up):
    """48 x 48 pixels and 32 channels: where torch 2.13 itself gives NaN on CPUs with AMX."""
    torch.manual_seed(0)
    layer = UpConv3d(32, stride) if up else Conv3d(32, 32, 3, stride)
    x = torch.randn(1, 32, 4, 48, 48, requires_grad=True)
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = layer(x)
        torch.manual_seed(1)
        found.append([y, *torch.autograd.grad(y, [x, *layer.parameters()], torch.randn(y.shape))])
    for plain, reduced in zip(*found, strict=True):
        assert (reduced - plain).norm() < 0.01 * plain.norm()
