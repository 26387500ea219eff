"""SIFA's parts on tensors and numbers worked out by hand; whole trainings are in test_2d_rivals.py."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dar_uda.adaptation import image_pool, sifa
from dar_uda.adaptation.cyclegan import ResidualBlock
from dar_uda.adaptation.sifa import SIFATrainer
from dar_uda.adaptation.sifa_losses import sifa_segmentation_loss
from dar_uda.adaptation.sifa_networks import SourceDecoder, TargetGenerator, make_discriminator
from dar_uda.segmentation.sifa_net import SIFANet
from dar_uda.training.job import Job

ORDER = ["generator", "target_discriminator", "segmenter", "decoder", "source_discriminator"]
ORDER += ["scores_discriminator", "second_scores_discriminator"]


class Drawn:
    """A sampler of noise."""

    def draw(self, rng, _):
        images = torch.from_numpy(rng.uniform(-1, 1, (2, 1, 32, 32))).float()
        return images, torch.from_numpy(rng.integers(0, 3, (2, 32, 32)))


@pytest.fixture
def trainer():
    torch.manual_seed(0)
    job = Job(0, "c", torch.device("cpu"), torch.float32)
    trainer = SIFATrainer(SIFANet(3, (4, 4, 4, 4, 4)), Drawn(), Drawn(), job, 2, 1, 1e-2, 0.0)
    yield trainer
    trainer.close()


def state_of(trainer):
    """Return copies of the parameters and of the running statistics of every network."""
    parameters = {name: nn.utils.parameters_to_vector(n.parameters()).detach() for name, n in trainer.networks.items()}
    return parameters, [buffer.clone() for buffer in trainer.networks["segmenter"].buffers()]


def test_every_loss_moves_its_own_network_alone_and_in_sifas_order(trainer, monkeypatch):
    seen, descend = [], SIFATrainer._descend

    def noted(self, name, *arguments):
        before, statistics = state_of(self)
        loss = descend(self, name, *arguments)
        after, new_statistics = state_of(self)
        seen.append(name)
        assert [other for other in after if not torch.equal(before[other], after[other])] == [name]
        moved = any(not torch.equal(a, b) for a, b in zip(statistics, new_statistics, strict=True))
        assert moved == (name == "segmenter")
        return loss

    monkeypatch.setattr(SIFATrainer, "_descend", noted)
    trainer.update(0)
    assert seen == ORDER


class Says(nn.Module):
    """A discriminator with these scores everywhere; keeps what it was shown."""

    def __init__(self, *values):
        super().__init__()
        self.values, self.shown = torch.tensor(values), []

    def forward(self, x):
        self.shown.append(x)
        return self.values[:, None, None].expand(len(x), -1, 1, 1)


class Passes(nn.Module):
    """A discriminator whose scores are the image, and ten times the image."""

    def forward(self, x):
        return torch.cat([x, 10 * x], dim=1)


def constant(value):
    return torch.full((1, 1, 4, 4), value)


def test_the_segmenters_loss_has_sifas_weights(trainer, monkeypatch):
    """Discriminators that say s everywhere: each adversarial loss is (s - 1)^2."""
    trainer.networks.eval()
    batch = trainer._draw(0)
    trainer.networks["source_discriminator"] = Says(3.0, 5.0)
    trainer.networks["scores_discriminator"] = Says(2.0)
    trainer.networks["second_scores_discriminator"] = Says(4.0)
    losses = iter([torch.tensor(7.0), torch.tensor(11.0)])
    segmented = []
    monkeypatch.setattr(sifa, "sifa_segmentation_loss", lambda scores, _: segmented.append(scores) or next(losses))
    monkeypatch.setattr(SIFATrainer, "_cycle_loss", lambda *_: torch.tensor(0.5))
    decoder = (3 - 1) ** 2 + 10 * 0.5
    expected = 7 + 0.1 * 11 + 0.1 * decoder + 0.1 * (2 - 1) ** 2 + 0.01 * (4 - 1) ** 2 + 0.1 * (5 - 1) ** 2
    assert trainer._segmenter_loss(batch).item() == pytest.approx(expected)
    assert trainer._decoder_loss(batch).item() == pytest.approx(decoder), "never the auxiliary loss"
    translated, classify = trainer._translate(batch), trainer.networks["segmenter"].classify
    for found, expected in zip(segmented, classify(*translated.features_of_fake), strict=True):
        torch.testing.assert_close(found, expected)
    of_target = classify(*translated.features_of_target)
    for name, expected in zip(ORDER[-2:], of_target, strict=True):
        torch.testing.assert_close(trainer.networks[name].shown[0], expected)


def test_the_generators_loss_is_adversarial_and_ten_times_the_cycle(trainer, monkeypatch):
    trainer.networks["target_discriminator"] = Says(3.0)
    monkeypatch.setattr(SIFATrainer, "_cycle_loss", lambda *_: torch.tensor(0.5))
    assert trainer._generator_loss(trainer._draw(0)).item() == pytest.approx((3 - 1) ** 2 + 10 * 0.5)


def test_the_cycle_loss_is_that_of_both_domains(trainer):
    """The source comes back with an error of 1/4, the target with one of 1/2."""
    translated = SimpleNamespace(source_again=constant(0.25), fake_source=constant(0.5))
    trainer.networks["generator"] = nn.Identity()
    batch = constant(0.0), None, constant(0.0)
    assert trainer._cycle_loss(batch, translated).item() == pytest.approx(0.75)


def test_discriminators_have_half_of_the_least_squares_loss(trainer):
    """Scores of 3 where 1 is wanted, of 5 where 0 is: ((3 - 1)^2 + 5^2) / 2."""
    trainer.networks["scores_discriminator"] = nn.Identity()
    loss = trainer._discriminator_loss("scores_discriminator", constant(3.0), constant(5.0))
    assert loss.item() == pytest.approx(14.5)


def test_the_auxiliary_output_tells_the_source_after_both_translations_from_the_generated_source(trainer):
    """Main output: 2 for the source, 1/2 for the fake; auxiliary: 3 for the source that came back, 5 for the fake."""
    trainer.networks["source_discriminator"] = Passes()
    loss = trainer._source_loss(constant(2.0), constant(0.3), constant(0.5))
    assert loss.item() == pytest.approx(((2 - 1) ** 2 + 0.5**2) / 2 + ((3 - 1) ** 2 + 5**2) / 2)


def test_scores_of_the_fake_target_are_real_to_their_discriminators(trainer, monkeypatch):
    trainer.networks.eval()
    seen = {}
    monkeypatch.setattr(
        SIFATrainer, "_descend", lambda _, name, __, *shown: seen.update({name: shown}) or torch.zeros(())
    )
    batch = trainer._draw(0)
    trainer._descend_other_discriminators(batch, 0)
    translated, classify = trainer._translate(batch), trainer.networks["segmenter"].classify
    of_fake, of_target = classify(*translated.features_of_fake), classify(*translated.features_of_target)
    for name, real, fake in zip(ORDER[-2:], of_fake, of_target, strict=True):
        assert seen[name][0] == name
        torch.testing.assert_close(list(seen[name][1:]), [real, fake])
    expected = [batch[0], translated.source_again, translated.fake_source]
    torch.testing.assert_close(list(seen["source_discriminator"]), expected)


def test_optimizers_are_sifas(trainer):
    for name, optimizer in trainer.optimizers.items():
        (group,) = optimizer.param_groups
        is_segmenter = name == "segmenter"
        assert type(optimizer) is torch.optim.Adam and group["lr"] == 1e-2 and not group["decoupled_weight_decay"]
        assert group["betas"] == ((0.9 if is_segmenter else 0.5), 0.999)
        assert group["weight_decay"] == (1e-4 if is_segmenter else 0)
        assert {id(p) for p in group["params"]} == {id(p) for p in trainer.networks[name].parameters()}


def test_the_pool_shows_earlier_fakes(trainer, monkeypatch):
    monkeypatch.setattr(image_pool, "SIZE", 2)
    shown = {
        domain: [trainer._pooled(domain, constant(float(n)), n).max().item() for n in range(8)]
        for domain in trainer.pools
    }
    for values in shown.values():
        assert values[:2] == [0, 1] and any(value < n for n, value in enumerate(values))


def test_the_generator_never_sees_labels(trainer):
    trainer.networks.eval()
    source, labels, target = trainer._draw(0)
    losses = [trainer._generator_loss((source, given, target)).item() for given in (labels, torch.zeros_like(labels))]
    assert losses[0] == losses[1]


def test_loss_of_two_pixels_by_hand():
    """Both classes equally likely: cross-entropy (1/2 ln 2), Dice of each class 2 (1/2) / (1/4 + 1/4 + 1)."""
    loss = sifa_segmentation_loss(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))
    assert loss.item() == pytest.approx(0.5 * math.log(2) + 1 - 1 / 1.5)


def test_loss_weighs_classes_by_what_they_lack():
    """Three pixels of four are class 0 and certain; that of class 1, of weight 3/4, has half of the probability.

    Class 0: I = 3, P = 3 + 1/4, T = 3. Class 1: I = 1/2, P = 1/4, T = 1.
    """
    scores = torch.tensor([[[[40.0, 40, 40, 0]], [[-40.0, -40, -40, 0]]]])
    loss = sifa_segmentation_loss(scores, torch.tensor([[[0, 0, 0, 1]]]))
    dice = (2 * 3 / 6.25 + 2 * 0.5 / 1.25) / 2
    assert loss.item() == pytest.approx(0.75 * math.log(2) / 4 + 1 - dice)


def test_loss_of_an_absent_class_is_a_constant_share():
    scores, labels = torch.full((1, 3, 2, 2), -40.0), torch.zeros(1, 2, 2, dtype=torch.long)
    scores[:, 0] = 40
    assert sifa_segmentation_loss(scores, labels).item() == pytest.approx(2 / 3, abs=1e-5)


def test_a_probability_below_0_005_has_that_loss_and_no_gradient():
    scores = torch.tensor([[[[9.0, 9.0]], [[-9.0, -9.0]]]], requires_grad=True)
    loss = sifa_segmentation_loss(scores, torch.tensor([[[0, 1]]]))
    dice = (2 * 1 / 3 + 0) / 2
    assert loss.item() == pytest.approx(0.5 * -math.log(0.005) / 2 + 1 - dice, abs=1e-4)
    loss.backward()
    assert scores.grad.abs().max() < 1e-6


def test_translations_add_to_the_image():
    x = torch.linspace(-1, 1, 2 * 32 * 32).view(2, 1, 32, 32)
    generator, decoder = TargetGenerator(2, 1), SourceDecoder(4, 2)
    for network in (generator, decoder):
        nn.init.zeros_(network.body[-1].weight)
    for translated in (generator(x), decoder(torch.randn(2, 4, 4, 4), x)):
        torch.testing.assert_close(translated, torch.tanh(x))


def test_parameters_are_those_counted_by_hand():
    """Instance norms with scale and shift; biases in the generator and in transposed convolutions alone."""
    w, f = 32, 512

    def conv(i, o, kernel, bias=1):
        return kernel**2 * i * o + bias * o + 2 * o

    block, last = 2 * conv(4 * w, 4 * w, 3), 49 * w + 1
    generator = conv(1, w, 7) + conv(w, 2 * w, 3) + conv(2 * w, 4 * w, 3) + 9 * block
    generator += conv(4 * w, 2 * w, 3) + conv(2 * w, w, 3) + last
    assert sum(p.numel() for p in TargetGenerator().parameters()) == generator
    decoder = conv(f, 4 * w, 3, bias=0) + 4 * 2 * conv(4 * w, 4 * w, 3, bias=0)
    decoder += conv(4 * w, 2 * w, 3) + conv(2 * w, 2 * w, 3) + conv(2 * w, w, 3) + 49 * w
    assert sum(p.numel() for p in SourceDecoder(f).parameters()) == decoder
    widths = [3, 64, 128, 256, 512, 2]
    discriminator = sum(16 * i * o for i, o in zip(widths, widths[1:], strict=False)) + 2 * (128 + 256 + 512)
    assert sum(p.numel() for p in make_discriminator(64, 3, 2).parameters()) == discriminator


def test_translations_pad_with_zeros_and_the_decoder_drops_a_quarter():
    generator, decoder = TargetGenerator(2, 1), SourceDecoder(4, 2)
    convolutions = [m for network in (generator, decoder) for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert {conv.padding_mode for conv in convolutions} == {"zeros"}
    drops = [[m.p for m in network.modules() if isinstance(m, nn.Dropout)] for network in (generator, decoder)]
    assert drops == [[], [0.25] * 8]
    block = next(m for m in generator.body if isinstance(m, ResidualBlock))
    assert block(torch.randn(1, 8, 4, 4)).min() == 0, "sums are cut off below 0"


def test_a_discriminator_pads_with_two_pixels():
    """64 pixels, then 33, 17 and 9 behind strides of 2, 10 and 11 behind those of 1."""
    assert make_discriminator(2, outputs=2)(torch.zeros(1, 1, 64, 64)).shape == (1, 2, 11, 11)
