import pytest
import torch
import torch.nn.functional as F

from benchmarks.literal.attention import LiteralQuartetAttention
from dar_uda.segmentation.attention import QuartetAttention, VoxelAttention
from dar_uda.segmentation.quartet_ops import MapConvolution, MaxAndMean


def values_and_gradients(module, x):
    x = x.clone().requires_grad_()
    y = module(x)
    torch.manual_seed(1)
    return [y, *torch.autograd.grad(y, [x, *module.parameters()], torch.randn(y.shape, dtype=y.dtype))]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_map_convolution_is_the_3d_convolution_in_value_and_gradient(depth):
    torch.manual_seed(0)
    weight = torch.randn(1, 2, 7, 7, 7, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 2, depth, 9, 8, dtype=torch.float64, requires_grad=True)
    ours, theirs = MapConvolution.apply(x, weight), F.conv3d(x, weight, padding=3)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(y.square().sum(), [x, weight]) for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_quartet_attention_is_the_mean_of_four_gated_copies(training, dtype, tolerance, memory_format):
    torch.manual_seed(0)
    ours = QuartetAttention().to(dtype).train(training)
    literal = LiteralQuartetAttention().to(dtype).train(training)
    literal.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 4, 5, 6, dtype=dtype).contiguous(memory_format=memory_format)
    found, expected = values_and_gradients(ours, x), values_and_gradients(literal, x)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(ours.state_dict(), literal.state_dict(), rtol=tolerance, atol=tolerance)


def test_the_gradient_of_a_maximum_goes_to_the_first_of_equals():
    x = torch.tensor([[1.0, 5.0], [5.0, 5.0]], requires_grad=True)
    pooled = MaxAndMean.apply(x.view(1, 1, 1, 2, 2))
    columns = pooled[2][0, 0, 0, 0]  # of the height axis: the maximum of each column
    assert columns.tolist() == [5.0, 5.0]
    (columns * torch.tensor([2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [[0.0, 3.0], [2.0, 0.0]]


def test_maxima_along_more_places_than_bfloat16_counts():
    torch.manual_seed(0)
    x = torch.randn(1, 1, 1, 1, 300).bfloat16()
    x[..., 257:] = 9.0
    x.requires_grad_()
    MaxAndMean.apply(x)[3][0, 0].sum().backward()
    assert x.grad.flatten().nonzero().flatten().tolist() == [257]


def test_quartet_attention_keeps_a_third_of_what_the_definition_keeps_for_the_backward():
    kept = []
    for attention in (QuartetAttention(), LiteralQuartetAttention()):
        tensors, x = {}, torch.randn(1, 16, 32, 64, 64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: tensors.setdefault(t.data_ptr(), t), lambda t: t):  # noqa: B023
            attention(x)
        kept.append(sum(tensor.nbytes for tensor in tensors.values()))
    assert kept[0] <= 0.35 * kept[1]


def test_quartet_attention_by_hand():
    attention = QuartetAttention().eval()
    for conv in attention.convs:
        torch.nn.init.zeros_(conv.weight)
        conv.weight.data[0, 0, 3, 3, 3] = 1.0  # the map is the sigmoid of the maximum
    x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1, 1)
    # Channel branch: maximum 3. Each other branch: the voxel itself. sigmoid(1) = .731059, sigmoid(3) = .952574.
    expected = [1 * (0.952574 + 3 * 0.731059) / 4, 3 * 0.952574]
    assert attention(x).flatten().tolist() == pytest.approx(expected, abs=1e-4)


def test_quartet_attention_has_four_maps_of_seven_cubed():
    shapes = [tuple(parameter.shape) for parameter in QuartetAttention().parameters() if parameter.ndim == 5]
    assert shapes == [(1, 2, 7, 7, 7)] * 4


def test_voxel_attention_by_hand():
    attention = VoxelAttention(encoder_channels=1, decoder_channels=2, stride=(1, 2, 2))
    for parameter in attention.parameters():
        torch.nn.init.zeros_(parameter)
    attention.to_map[-1].bias.data.fill_(0.5)  # the map is 0.5 everywhere
    attention.up.weight.data[0, 0, 1, 1, 1] = 1.0  # channel 0 goes to every other pixel
    encoder, decoder = (
        torch.full((1, 1, 1, 4, 4), 7.0),
        torch.tensor([4.0, 6.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 2, 2),
    )
    out = attention(encoder, decoder)
    assert out.shape == (1, 3, 1, 4, 4)
    assert out[0, 0, 0].tolist() == [[2, 0, 2, 0], [0, 0, 0, 0], [2, 0, 2, 0], [0, 0, 0, 0]]
    assert (out[0, 2] == 7).all()


def test_voxel_attention_without_gate_keeps_the_decoder_feature():
    attention = VoxelAttention(1, 2, (1, 1, 1), gated=False)
    torch.nn.init.zeros_(attention.up.weight)
    torch.nn.init.zeros_(attention.up.bias)
    for channel in range(2):
        attention.up.weight.data[channel, channel, 1, 1, 1] = 1.0
    decoder = torch.randn(1, 2, 2, 3, 3)
    torch.testing.assert_close(attention(torch.zeros(1, 1, 2, 3, 3), decoder)[:, :2], decoder)
