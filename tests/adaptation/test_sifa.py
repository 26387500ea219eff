"""SIFA's parts on tensors and numbers worked out by hand; whole trainings are in test_2d_rivals.py."""

import math

import pytest
import torch
from torch import nn

from dar_uda.adaptation import sifa
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


def test_the_segmenters_loss_has_sifas_weights(trainer, monkeypatch):
    """Discriminators that say s everywhere: each adversarial loss is (s - 1)^2."""
    batch, scores = trainer._draw(0), {"source": 3.0, "auxiliary": 5.0, "first": 2.0, "second": 4.0}

    class Says(nn.Module):
        def __init__(self, *values):
            super().__init__()
            self.values = torch.tensor(values)

        def forward(self, x):
            return self.values[:, None, None].expand(len(x), -1, 1, 1)

    trainer.networks["source_discriminator"] = Says(scores["source"], scores["auxiliary"])
    trainer.networks["scores_discriminator"] = Says(scores["first"])
    trainer.networks["second_scores_discriminator"] = Says(scores["second"])
    losses = iter([torch.tensor(7.0), torch.tensor(11.0)])
    monkeypatch.setattr(sifa, "sifa_segmentation_loss", lambda *_: next(losses))
    monkeypatch.setattr(SIFATrainer, "_cycle_loss", lambda *_: torch.tensor(0.5))
    decoder = (3 - 1) ** 2 + 10 * 0.5
    expected = 7 + 0.1 * 11 + 0.1 * decoder + 0.1 * (2 - 1) ** 2 + 0.01 * (4 - 1) ** 2 + 0.1 * (5 - 1) ** 2
    assert trainer._segmenter_loss(batch).item() == pytest.approx(expected)
    assert trainer._decoder_loss(batch).item() == pytest.approx(decoder), "never the auxiliary loss"


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
    """Convolutions with biases, instance norms with scale and shift."""
    w, f = 32, 512

    def conv(i, o, kernel):
        return kernel**2 * i * o + o + 2 * o

    block, last = 2 * conv(4 * w, 4 * w, 3), 49 * w + 1
    generator = conv(1, w, 7) + conv(w, 2 * w, 3) + conv(2 * w, 4 * w, 3) + 9 * block
    generator += conv(4 * w, 2 * w, 3) + conv(2 * w, w, 3) + last
    assert sum(p.numel() for p in TargetGenerator().parameters()) == generator
    decoder = conv(f, 4 * w, 3) + 4 * block + conv(4 * w, 2 * w, 3) + conv(2 * w, 2 * w, 3) + conv(2 * w, w, 3) + last
    assert sum(p.numel() for p in SourceDecoder(f).parameters()) == decoder
    widths = [3, 64, 128, 256, 512, 2]
    discriminator = sum(16 * i * o + o for i, o in zip(widths, widths[1:], strict=False)) + 2 * (128 + 256 + 512)
    assert sum(p.numel() for p in make_discriminator(64, 3, 2).parameters()) == discriminator


def test_a_discriminator_pads_with_two_pixels():
    """64 pixels, then 33, 17 and 9 behind strides of 2, 10 and 11 behind those of 1."""
    assert make_discriminator(2, outputs=2)(torch.zeros(1, 1, 64, 64)).shape == (1, 2, 11, 11)
