import pytest
import torch

from dar_uda.segmentation.networks import load_segmenter, make_segmenter
from dar_uda.segmentation.sifa_net import ResidualBlock, SIFANet

NARROW = (4, 4, 8, 8, 8)


def test_parameters_are_those_counted_by_hand():
    """One, one, two, two, four and two blocks of doubling widths, two dilated ones, two convolutions, two heads."""

    def block(i, o, bias=0):  # two convolutions, with biases where they are dilated, two norms; the shortcut has none
        return 9 * i * o + 9 * o * o + 4 * o + 2 * bias * o

    stem = 49 * 16 + 2 * 16
    growing = block(16, 16) + sum(block(width // 2, width) for width in (32, 64, 128, 256, 512))
    staying = block(64, 64) + block(128, 128) + 3 * block(256, 256) + block(512, 512)
    last = 2 * block(512, 512, bias=1) + 2 * (9 * 512 * 512 + 2 * 512)
    network = SIFANet(5)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-3)}
    assert sum(p.numel() for p in network.parameters()) == stem + growing + staying + last + 2 * 512 * 5


def test_features_have_an_eighth_of_the_size_and_scores_all_of_it():
    network, x = SIFANet(3, NARROW), torch.randn(2, 1, 5, 32, 16)
    assert [part.shape for part in network.encode(x[:, :, 0])] == [(2, 16, 4, 2)] * 2
    assert [scores.shape for scores in network(x)] == [(2, 3, 5, 32, 16)] * 2
    assert network.eval()(x).shape == (2, 3, 5, 32, 16)


def test_every_slice_is_segmented_on_its_own():
    torch.manual_seed(0)
    network, x = SIFANet(3, NARROW).eval(), torch.randn(2, 1, 3, 16, 16)
    torch.testing.assert_close(network(x[1:, :, 2:3]), network(x)[1:, :, 2:3], atol=1e-6, rtol=1e-4)


def test_a_block_adds_its_input_in_the_middle_of_its_channels():
    block, x = ResidualBlock(2, 6).eval(), torch.ones(1, 2, 3, 3)
    for layer in block.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.weight)
    assert block(x)[0, :, 1, 1].tolist() == [0, 0, 1, 1, 0, 0]
    assert block(-x).abs().max() == 0, "what is below 0 after the sum is cut off"


def test_dilated_blocks_see_further():
    torch.manual_seed(0)
    block, x = ResidualBlock(1, 1, dilation=2).eval(), torch.zeros(1, 1, 11, 11)
    x[..., 5, 5] = 1
    rows, columns = torch.nonzero(block.body(x)[0, 0] - block.body(torch.zeros_like(x))[0, 0], as_tuple=True)
    assert (rows % 2 == 1).all() and (columns % 2 == 1).all() and rows.min() >= 1 and rows.max() <= 9


def test_a_side_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"\(20, 32\) does not divide by 8"):
        SIFANet(2, NARROW)(torch.zeros(1, 1, 2, 20, 32))


def test_a_weights_file_tells_its_network(tmp_path):
    network = make_segmenter(2, NARROW, architecture="sifa").eval()
    network.save(tmp_path / "weights.safetensors")
    again, x = load_segmenter(tmp_path / "weights.safetensors", torch.device("cpu")), torch.randn(1, 1, 2, 16, 16)
    assert type(again) is SIFANet
    torch.testing.assert_close(again(x), network(x))
