"""One step of the translator as the formulas have it: one forward per image, every gradient computed."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dar_uda.layers.chain import Chain
from dar_uda.translation.networks import (
    SLOPE,
    ContentDiscriminator,
    ContentEncoder,
    Conv2d,
    Decoder,
    InstanceNorm,
    NormalizedConv,
)
from dar_uda.translation.train import TranslatorTrainer

TORCHS = {
    **dict.fromkeys((Chain, NormalizedConv, ContentEncoder, ContentDiscriminator), nn.Sequential),
    **{Conv2d: nn.Conv2d, InstanceNorm: nn.InstanceNorm2d},
}


def with_torchs_layers(network: nn.Module) -> nn.Module:
    """Return the network with torch's own convolutions, norms and LeakyReLU, in place; its state stays as it is."""
    for module in list(network.modules()):
        if isinstance(module, Chain):
            for place, layer in enumerate(module):
                if isinstance(layer, nn.Identity):
                    module[place] = nn.LeakyReLU(SLOPE, inplace=True)
        module.__class__ = TORCHS.get(type(module), type(module))
    return network


def literal_decode(decoder: Decoder, content: Tensor, style: Tensor) -> Tensor:
    """Return the decoded image: every normalization, upsampling and convolution on its own."""
    scale, shift = decoder.style(style).chunk(2, dim=1)
    norms = iter(zip(scale.split(decoder.channels, dim=1), shift.split(decoder.channels, dim=1), strict=True))

    def activate(x: Tensor) -> Tensor:
        scale, shift = next(norms)
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
        normalized = (x - mean) / torch.sqrt(variance + 1e-5)
        return F.leaky_relu((1 + scale[..., None, None]) * normalized + shift[..., None, None], SLOPE)

    x = content
    for first, second in zip(decoder.residual[::2], decoder.residual[1::2], strict=True):
        x = (x + second(activate(first(activate(x))))) / math.sqrt(2)
    x = activate(x)
    for conv in decoder.up:
        upsampled = F.interpolate(x, scale_factor=2, mode="nearest")
        x = activate(F.conv2d(upsampled, conv.weight, conv.bias, padding=2))
    return torch.tanh(decoder.last(x))


def literal_step(trainer: TranslatorTrainer, x_a: Tensor, x_b: Tensor) -> dict[str, Tensor]:
    """Do one update of the discriminators and one of the generator; return the generator's losses."""
    net, discriminator = trainer.translator, trainer.discriminators

    def decode(content: Tensor, style: Tensor) -> Tensor:
        return literal_decode(net.decoder, content, style)

    c_a, c_b, s_a, s_b = net.content(x_a), net.content(x_b), net.style["a"](x_a), net.style["b"](x_b)
    reconstructed_a, reconstructed_b = decode(c_a, s_a), decode(c_b, s_b)
    x_ab, x_ba = decode(c_a, s_b), decode(c_b, s_a)
    c_ab, c_ba, s_ab, s_ba = net.content(x_ab), net.content(x_ba), net.style["b"](x_ab), net.style["a"](x_ba)
    cycle_a, cycle_b = decode(c_ab, s_a), decode(c_ba, s_b)

    trainer.discriminator_optimizer.zero_grad()
    loss = 0.0
    for domain, real, fake in (("a", x_a, x_ba), ("b", x_b, x_ab)):
        of_domain = getattr(discriminator, domain)
        loss = loss + _distance(of_domain(fake.detach()), 0) + _distance(of_domain(real), 1)
    loss = (
        loss + _distance([discriminator.content(c_b.detach())], 0) + _distance([discriminator.content(c_a.detach())], 1)
    )
    loss.backward()
    trainer.discriminator_optimizer.step()

    losses = {
        "pixel_reconstruction": F.l1_loss(reconstructed_a, x_a) + F.l1_loss(reconstructed_b, x_b),
        "pixel_cycle": F.l1_loss(cycle_a, x_a) + F.l1_loss(cycle_b, x_b),
        "content_reconstruction": F.l1_loss(c_ab, c_a) + F.l1_loss(c_ba, c_b),
        "style_reconstruction": F.l1_loss(s_ba, s_a) + F.l1_loss(s_ab, s_b),
        "adversarial_image": _distance(discriminator.a(x_ba), 1) + _distance(discriminator.b(x_ab), 1),
        "adversarial_content": _distance([discriminator.content(c_b)], 1) + _distance([discriminator.content(c_a)], 0),
    }
    trainer.generator_optimizer.zero_grad()
    sum(trainer.loss_weights[name] * loss for name, loss in losses.items()).backward()
    trainer.generator_optimizer.step()
    return losses


def _distance(scores: list[Tensor], target: float) -> Tensor:
    return sum(((score - target) ** 2).mean() for score in scores)
