import pytest
import torch

from dar_uda.segmentation.networks import load_segmenter, make_segmenter
from dar_uda.segmentation.unet_2d import UNet2D

NARROW = (4, 4, 8, 8, 8)


def test_parameters_are_those_counted_by_hand():
    def block(i, o):  # two convolutions with biases, two norms, the skip
        return 9 * i * o + o + 9 * o * o + o + 4 * o + i * o + o

    encoder = block(1, 4) + block(4, 4) + block(4, 8) + block(8, 8) + block(8, 8)
    ups = sum(4 * o * i + i for i, o in ((4, 4), (4, 8), (8, 8), (8, 8)))
    decoder = block(8, 4) + block(8, 4) + 2 * block(16, 8)
    head = 4 * 3 + 3
    assert sum(p.numel() for p in UNet2D(3, NARROW).parameters()) == encoder + ups + decoder + head


def test_every_slice_is_segmented_on_its_own():
    torch.manual_seed(0)
    network, x = UNet2D(3, NARROW).eval(), torch.randn(2, 1, 5, 32, 16)
    scores = network(x)
    assert scores.shape == (2, 3, 5, 32, 16)
    torch.testing.assert_close(network(x[1:, :, 2:3]), scores[1:, :, 2:3], atol=1e-5, rtol=1e-4)


def test_multilevel_returns_a_second_output_in_training_alone():
    network, x = UNet2D(3, NARROW, multilevel=True), torch.randn(1, 1, 2, 32, 32)
    assert [scores.shape for scores in network(x)] == [(1, 3, 2, 32, 32)] * 2
    assert network.eval()(x).shape == (1, 3, 2, 32, 32)


def test_recomputing_gives_the_same_gradients():
    torch.manual_seed(0)
    network, x = UNet2D(2, NARROW), torch.randn(1, 1, 2, 16, 16)
    gradients = []
    for _ in range(2):
        network.zero_grad()
        network(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in network.parameters()])
        network.checkpoint_activations()
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


def test_a_side_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 24, 32\) does not divide by \(1, 16, 16\)"):
        UNet2D(2, NARROW)(torch.zeros(1, 1, 2, 24, 32))


@pytest.mark.parametrize("switches", [{"architecture": "unet_2d", "multilevel": True}, {"qam": False}])
def test_a_weights_file_tells_its_network(tmp_path, switches):
    network = make_segmenter(2, NARROW, **switches).eval()
    network.save(tmp_path / "weights.safetensors")
    again = load_segmenter(tmp_path / "weights.safetensors", torch.device("cpu"))
    x = torch.randn(1, 1, 4, 16, 16)
    assert type(again) is type(network)
    torch.testing.assert_close(again(x), network(x))
