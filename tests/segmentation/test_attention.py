import pytest
import torch
import torch.nn.functional as F

from dar_uda.segmentation.attention import MapConv, QuartetAttention, VoxelAttention


def literal_quartet(x, attention):
    """The definition with transposed copies: each branch reduces axis 1 of its own view of x."""
    products = []
    for axis, conv, norm in zip((1, 2, 3, 4), attention.convs, attention.norms, strict=True):
        view = x.transpose(1, axis)
        stacked = torch.stack([view.amax(1), view.mean(1)], dim=1)
        gate = torch.sigmoid(norm(F.conv3d(stacked, conv.weight, padding=3)))
        products.append((view * gate).transpose(1, axis))
    return torch.stack(products).mean(dim=0)


def test_map_conv_equals_the_3d_convolution_in_value_and_gradient():
    torch.manual_seed(0)
    conv = MapConv().double()
    x = torch.randn(2, 2, 5, 9, 8, dtype=torch.float64, requires_grad=True)
    expected = F.conv3d(x, conv.weight, padding=3)
    torch.testing.assert_close(conv(x), expected, rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(conv(x).square().sum(), [x, conv.weight])
    theirs = torch.autograd.grad(expected.square().sum(), [x, conv.weight])
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
def test_quartet_attention_is_the_mean_of_four_gated_copies(training):
    torch.manual_seed(0)
    attention = QuartetAttention().double().train(training)
    x = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(attention(x), literal_quartet(x, attention), rtol=1e-10, atol=1e-10)


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
