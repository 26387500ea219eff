import copy

import pytest
import torch

from benchmarks.literal.dar_unet import literal_dar_unet, literal_loss
from dar_uda.segmentation.dar_unet import DARUNet
from dar_uda.segmentation.losses import segmentation_loss
from dar_uda.segmentation.networks import load_segmenter

NARROW = (2, 4, 4, 8, 8)


def test_parameters_are_the_papers():
    parameters = list(DARUNet(5).parameters())
    assert (sum(p.numel() for p in parameters), len(parameters)) == (17_749_025, 318)


def test_training_returns_six_full_size_outputs_and_inference_the_main_one():
    network, x = DARUNet(3, NARROW), torch.randn(1, 1, 8, 32, 16)
    assert [tuple(scores.shape) for scores in network(x)] == [(1, 3, 8, 32, 16)] * 6
    assert network.eval()(x).shape == (1, 3, 8, 32, 16)


@pytest.mark.parametrize("switch", ["anisotropic", "qam", "vam", "deep_supervision"])
def test_every_ablation_runs(switch):
    network = DARUNet(2, NARROW, **{switch: False})
    out = network(torch.randn(1, 1, 32, 32, 32))
    assert (out.shape if switch == "deep_supervision" else out[0].shape) == (1, 2, 32, 32, 32)
    without_it = sum(p.numel() for p in network.parameters())
    whole = sum(p.numel() for p in DARUNet(2, NARROW).parameters())
    assert without_it < whole if switch in ("qam", "vam") else without_it == whole


def test_anisotropic_strides_keep_the_depth_longer():
    assert DARUNet(2, NARROW).divisors == (4, 16, 16)
    assert DARUNet(2, NARROW, anisotropic=False).divisors == (16, 16, 16)


def test_a_patch_that_does_not_divide_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"\(6, 16, 16\).*\(4, 16, 16\)"):
        DARUNet(2, NARROW)(torch.zeros(1, 1, 6, 16, 16))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_losses_gradients_and_statistics_are_those_of_the_literal_network(dtype, tolerance):
    torch.manual_seed(0)
    literal = literal_dar_unet(5).to(dtype)
    start = copy.deepcopy(literal.state_dict())
    x, labels = torch.randn(1, 1, 4, 32, 32, dtype=dtype), torch.randint(0, 5, (1, 4, 32, 32))
    loss = literal_loss(literal(x), labels, 10.0)
    gradients = torch.autograd.grad(loss, list(literal.parameters()))
    scale = max(float(gradient.abs().max()) for gradient in gradients)
    for activation_checkpointing in (False, True):
        network = DARUNet(5).to(dtype)
        network.load_state_dict(start)
        if activation_checkpointing:
            network.checkpoint_activations()
        ours = sum(segmentation_loss(scores, labels, 10.0) for scores in network(x))
        torch.testing.assert_close(ours, loss, rtol=tolerance, atol=tolerance)
        found = torch.autograd.grad(ours, list(network.parameters()))
        torch.testing.assert_close(found, gradients, rtol=tolerance, atol=tolerance * scale)
        torch.testing.assert_close(network.state_dict(), literal.state_dict(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_bfloat16_on_a_cpu_has_the_losses_and_gradients_of_float32_to_its_precision(activation_checkpointing):
    torch.manual_seed(0)
    start = DARUNet(5).state_dict()
    x, labels = torch.randn(2, 1, 4, 32, 32), torch.randint(0, 5, (2, 4, 32, 32))
    losses, gradients = [], []
    for reduced in (False, True):
        network = DARUNet(5)
        network.load_state_dict(start)
        if reduced and activation_checkpointing:
            network.checkpoint_activations()
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            outputs = network(x)
        losses.append(sum(segmentation_loss(scores, labels, 10.0) for scores in outputs))
        found = torch.autograd.grad(losses[-1], list(network.parameters()))
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.01)
    assert (gradients[1] - gradients[0]).norm() < 0.1 * gradients[0].norm()


def test_weights_file_builds_the_same_network(tmp_path):
    network = DARUNet(3, NARROW, vam=False).eval()
    network.save(tmp_path / "weights.safetensors")
    again = load_segmenter(tmp_path / "weights.safetensors", torch.device("cpu"))
    x = torch.randn(1, 1, 4, 16, 16)
    assert again.arguments == network.arguments
    assert torch.equal(again(x), network(x))
