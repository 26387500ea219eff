import pytest
import torch
import torch.nn.functional as F

from dar_uda.segmentation.convolution import Conv3d, UpConv3d, weight_gradient

STRIDES = [(1, 1, 1), (1, 2, 2), (2, 2, 2)]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("channels", [(2, 5), (5, 2)])
@pytest.mark.parametrize("depth", [1, 2, 4, 6])
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
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)]
)
def test_a_convolution_on_a_cpu_is_torchs_to_its_precision(stride, up, dtype, tolerance):
    """48 x 48 pixels and 32 channels: where torch 2.13 itself gives NaN in bfloat16 on CPUs with AMX."""
    torch.manual_seed(0)
    reduced = dtype == torch.bfloat16
    layer = (UpConv3d(32, stride) if up else Conv3d(32, 32, 3, stride)).to(torch.float32 if reduced else dtype)
    x = torch.randn(1, 32, 4, 48, 48, dtype=layer.weight.dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        ours = layer(x)
    padding = {"padding": 1, "output_padding": [s - 1 for s in stride]} if up else {"padding": 1}
    expected = (F.conv_transpose3d if up else F.conv3d)(x, layer.weight, layer.bias, stride, **padding)
    gradient = torch.randn(expected.shape, dtype=expected.dtype)
    found = [[y, *torch.autograd.grad(y, [x, *layer.parameters()], gradient.to(y.dtype))] for y in (expected, ours)]
    for plain, of_ours in zip(*found, strict=True):
        assert (of_ours - plain).norm() < tolerance * plain.norm()
