import pytest
import torch
import torch.nn.functional as F

from benchmarks.literal.reflection import reflect
from dar_uda.training import cuda_options
from dar_uda.translation.networks import (
    ContentDiscriminator,
    ContentEncoder,
    Decoder,
    ImageDiscriminator,
    StyleEncoder,
    UpsampledConv,
    adaptive_activation,
    initialize,
)

NETWORKS = {
    "content encoder": lambda: (ContentEncoder(2), [torch.randn(2, 1, 16, 24)]),
    "style encoder": lambda: (StyleEncoder(2), [torch.randn(2, 1, 64, 72)]),
    "decoder": lambda: (Decoder(2), [torch.randn(2, 8, 4, 6), torch.randn(2, 8)]),
    "image discriminator": lambda: (ImageDiscriminator(2, 64), [torch.randn(2, 1, 64, 64)]),
    "content discriminator": lambda: (ContentDiscriminator(2, 128), [torch.randn(2, 8, 32, 32)]),
}


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def convolution(inputs, outputs, kernel):
    return outputs * (inputs * kernel**2 + 1)


def test_shapes_at_the_papers_width():
    image = torch.randn(2, 1, 64, 96)
    content, style = ContentEncoder()(image), StyleEncoder()(image)
    assert content.shape == (2, 128, 16, 24) and style.shape == (2, 8)
    drawn = Decoder()(content, style)
    assert drawn.shape == image.shape and drawn.abs().max() <= 1


def test_parameter_counts_follow_the_table():
    w = 32
    residual = 2 * (convolution(4 * w, 4 * w, 3) + 2 * 4 * w)  # two convolutions, two affine norms
    content = convolution(1, w, 7) + convolution(w, 2 * w, 4) + convolution(2 * w, 4 * w, 4) + 2 * 7 * w + 4 * residual
    assert parameters(ContentEncoder(w)) == content
    chain = [w, 2 * w, 4 * w, 4 * w, 4 * w, 4 * w]
    style = convolution(1, w, 7) + sum(convolution(i, o, 4) for i, o in zip(chain, chain[1:], strict=False))
    assert parameters(StyleEncoder(w)) == style + 2 * sum(chain) + convolution(4 * w, 8, 1)
    modulated = 9 * 4 * w + 2 * w + w  # channels under an adaptive norm
    decoder = 8 * convolution(4 * w, 4 * w, 3) + convolution(4 * w, 2 * w, 5) + convolution(2 * w, w, 5)
    mlp = 8 * 128 + 128 + 128 * 256 + 256 + 256 * 2 * modulated + 2 * modulated
    assert parameters(Decoder(w)) == decoder + convolution(w, 1, 7) + mlp


@pytest.mark.parametrize("statistics", [False, True])
def test_instance_norm_hides_brightness_and_contrast_from_the_style_code(statistics):
    torch.manual_seed(0)
    encoder = StyleEncoder(4, statistics=statistics)
    initialize(encoder)
    image = F.interpolate(torch.rand(1, 1, 16, 16), size=128, mode="bilinear")
    change = encoder(image / 2) - encoder(image)
    means = torch.stack([-image.mean() / 2, -image.std() / 2])
    expected = encoder.code.weight[:, -2:, 0, 0] @ means if statistics else torch.zeros(8)
    torch.testing.assert_close(change[0], expected, atol=0.01, rtol=0)


def test_discriminators_at_512_are_the_papers():
    image = ImageDiscriminator(2, 512)
    assert [sum(isinstance(m, torch.nn.Conv2d) for m in scale) for scale in image.scales] == [6, 6, 6]
    assert [tuple(s.shape[2:]) for s in image(torch.zeros(1, 1, 512, 512))] == [(16, 16), (8, 8), (4, 4)]
    content = ContentDiscriminator(2, 512)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in content) == 5
    assert content(torch.zeros(1, 8, 128, 128)).shape == (1, 1, 1, 1)


@pytest.mark.parametrize("size", [44, 64, 100, 112, 192, 256])
def test_discriminators_fit_small_images_without_tiny_normalized_maps(size):
    smallest = []
    image, content = ImageDiscriminator(2, size), ContentDiscriminator(2, size)
    for module in [*image.modules(), *content.modules()]:
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.register_forward_hook(lambda _, inputs, __: smallest.append(min(inputs[0].shape[2:])))
    image(torch.zeros(1, 1, size, size)), content(torch.zeros(1, 8, size // 4, size // 4))
    assert min(smallest) >= 2


@pytest.mark.parametrize("build, smallest", [(ImageDiscriminator, 16), (ContentDiscriminator, 44)])
def test_too_small_images_are_refused_naming_the_smallest(build, smallest):
    build(2, smallest)
    with pytest.raises(ValueError, match=f"{smallest - 1} pixels; .* {smallest}"):
        build(2, smallest - 1)
    with pytest.raises(ValueError, match="63 pixels; .* 64"):
        StyleEncoder(2)(torch.zeros(1, 1, 63, 64))


def test_adaptive_activation_by_hand():
    x = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2)  # normalized: -1, 1; scaled and shifted: -2.5, 3.5
    out = adaptive_activation(x, scale=torch.tensor([[2.0]]), shift=torch.tensor([[0.5]]))
    assert out.flatten().tolist() == pytest.approx([-0.5, 3.5], abs=1e-4)


def test_initial_weights_are_kaiming_fan_in():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 128, 5)
    initialize(layer)
    assert layer.weight.std().item() == pytest.approx((2 / (64 * 25)) ** 0.5, rel=0.02)
    assert (layer.bias == 0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_upsampled_convolution_is_upsampling_then_convolution_borders_included(dtype, tolerance):
    torch.manual_seed(0)
    layer = UpsampledConv(3, 5).to(dtype)
    x = torch.randn(2, 3, 4, 7, dtype=dtype, requires_grad=True)
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, layer.bias, padding=2)
    found = layer(x)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    gradient = torch.randn_like(expected)
    pairs = [torch.autograd.grad(y, [x, layer.weight, layer.bias], gradient) for y in (found, expected)]
    torch.testing.assert_close(*pairs, rtol=tolerance, atol=10 * tolerance)


def test_the_frozen_form_reflects_at_the_borders_and_repeats_them_before_upsampling():
    torch.manual_seed(0)
    decoder = Decoder(2)
    reflect(decoder)
    x = torch.randn(1, 8, 4, 7)
    padded = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (2, 2, 2, 2), mode="replicate")
    up, last = decoder.up[0], decoder.last
    torch.testing.assert_close(up(x), F.conv2d(padded, up.weight, up.bias), rtol=1e-4, atol=1e-4)
    padded = F.pad(x[:, :2], (3, 3, 3, 3), mode="reflect")
    torch.testing.assert_close(last(x[:, :2]), F.conv2d(padded, last.weight, last.bias), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_forms_for_gpus_have_the_values_and_gradients_of_those_for_cpus(network, channels_last, monkeypatch):
    torch.manual_seed(0)
    module, inputs = NETWORKS[network]()
    module = module.double()
    inputs = [x.double().requires_grad_() for x in inputs]

    def values_and_gradients():
        outputs = module(*inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        loss = sum((y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum() for y in outputs)
        return [*outputs, *torch.autograd.grad(loss, [*inputs, *module.parameters()])]

    on_a_cpu = values_and_gradients()
    monkeypatch.setattr(cuda_options, "on_cuda", lambda _: True)
    with cuda_options.choosing(channels_last=channels_last):
        on_a_gpu = values_and_gradients()
    for ours, theirs in zip(on_a_gpu, on_a_cpu, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
