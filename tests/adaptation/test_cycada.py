"""CyCADA's parts on tensors and numbers worked out by hand; whole trainings are in test_2d_rivals.py."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dar_uda.adaptation.cycada import CyCADAStage, Gate, ScoreDiscriminator
from dar_uda.adaptation.cycada_translator import CyCADATrainer
from dar_uda.segmentation.unet_2d import UNet2D
from dar_uda.training.job import Job

JOB = Job(0, "c", torch.device("cpu"), torch.float32)
CLASSES = 4


class Drawn:
    """A sampler of noise with a mean of its own."""

    def __init__(self, mean=0.0):
        self.mean = mean

    def draw(self, rng, _):
        images = torch.from_numpy(rng.uniform(-0.2, 0.2, (1, 1, 32, 32))).float() + self.mean
        return images, torch.from_numpy(rng.integers(0, CLASSES, (1, 32, 32)))


class Likes(nn.Module):
    """A segmenter that scores one class with a bias, the others with 0."""

    def __init__(self, bias):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, x):
        return torch.cat([self.bias + 0 * x, *[0 * x] * (CLASSES - 1)], dim=1)


def translator(generator="AtoB", segmenter=None, **changes):
    settings = {"width": 2, "blocks": 1, "learning_rate": 1e-2, "cycle_weight": 10.0, "semantic_weight": 1.0}
    segmenter = segmenter or Likes(0.0)
    return CyCADATrainer(
        [Drawn(0.5), Drawn(-0.5)], JOB, 4, generator=generator, segmenter=segmenter, **{**settings, **changes}
    )


def test_the_semantic_loss_of_a_segmenter_that_cannot_decide():
    """ln K in each direction."""
    trainer = translator()
    _, losses = trainer._generator_losses(trainer._draw(0))
    trainer.close()
    assert losses["semantic"].item() == pytest.approx(2 * math.log(CLASSES), rel=1e-5)


def test_the_target_is_held_to_what_the_segmenter_sees_and_the_source_to_its_labels():
    """The segmenter sees class 0 everywhere: right in the target by definition, in the source where that is it."""
    trainer = translator(segmenter=Likes(30.0))
    images, other, labels = trainer._draw(0)
    for true, expected in ((torch.zeros_like(labels), 0.0), (torch.ones_like(labels), 30.0)):
        _, losses = trainer._generator_losses((images, other, true))
        assert losses["semantic"].item() == pytest.approx(expected, abs=1e-4)
    trainer.close()


class Sees(nn.Module):
    """A segmenter that sees class 0 where an image is bright, class 1 where it is dark."""

    def forward(self, x):
        return torch.cat([50 * x, -50 * x, *[0 * x] * (CLASSES - 2)], dim=1)


class Draws(nn.Module):
    """Translations: bright ones to the target, dark ones to the source."""

    def forward(self, images, generator):
        return torch.full_like(images, 0.2 if generator == "AtoB" else -0.2).requires_grad_()


@pytest.mark.parametrize(("labels", "expected"), [(0, 0.0), (1, 20.0)])
def test_fake_targets_are_held_to_the_sources_labels_and_fake_sources_to_what_is_seen_in_the_target(labels, expected):
    """The target is dark, so class 1 is seen there, and in its dark translation too."""
    trainer = translator(segmenter=Sees())
    trainer.generators = Draws()
    a, b, drawn = trainer._draw(0)
    _, losses = trainer._generator_losses((a, b, torch.full_like(drawn, labels)))
    trainer.close()
    assert losses["semantic"].item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("generator", ["AtoB", "BtoA"])
def test_the_source_is_the_domain_from_which_the_generator_leads(generator):
    trainer = translator(generator)
    a, b, _ = trainer._draw(0)
    trainer.close()
    assert (a.mean() > 0) == (generator == "AtoB") and (b.mean() > 0) == (generator == "BtoA")


def test_the_semantic_loss_counts_as_asked_and_moves_both_generators_but_not_the_segmenter():
    torch.manual_seed(0)
    trainers = [translator(segmenter=UNet2D(CLASSES, (4, 4, 8, 8, 8)), semantic_weight=weight) for weight in (0.0, 1e3)]
    moved = []
    for trainer in trainers:
        before = [p.clone() for p in trainer.segmenter.parameters()]
        trainer.update(0)
        trainer.close()
        assert all(torch.equal(a, b) for a, b in zip(before, trainer.segmenter.parameters(), strict=True))
        moved.append([nn.utils.parameters_to_vector(g.parameters()) for g in trainer.generators.generators.values()])
    assert all(not torch.equal(without, with_it) for without, with_it in zip(*moved, strict=True))


def test_the_gate_opens_where_the_mean_of_the_last_100_steps_is_above_60_percent():
    gate = Gate()
    assert [gate.is_open_after(accuracy) for accuracy in (0.5, 0.7, 0.65)] == [False, False, True]
    again = Gate()
    again.load_state_dict(gate.state_dict())
    assert again.openings == 1 and again.is_open_after(0.9)
    for _ in range(100):
        last = again.is_open_after(0.5)
    assert not last and len(again.accuracies) == 100 and sum(again.accuracies) == 50


def stage(**changes):
    torch.manual_seed(0)
    network = UNet2D(CLASSES, (4, 4, 8, 8, 8))
    settings = {"learning_rate": 1e-3, "adversarial_weight": 0.1}
    return CyCADAStage(network, Drawn(0.5), Drawn(-0.5), JOB, 10.0, **{**settings, **changes})


@pytest.mark.parametrize("is_open", [False, True])
def test_the_segmenter_moves_only_while_the_gate_is_open(monkeypatch, is_open):
    monkeypatch.setattr(Gate, "is_open_after", lambda *_: is_open)
    trainer = stage()
    before = vectors(trainer)
    losses = trainer.update(0)
    trainer.close()
    moved = {name: not torch.equal(before[name], after) for name, after in vectors(trainer).items()}
    assert moved == {"network": is_open, "discriminator": True}
    assert set(losses) == {"discriminator", "accuracy"} | ({"adversarial", "segmentation"} if is_open else set())


def vectors(trainer):
    parts = {"network": trainer.network, "discriminator": trainer.discriminator}
    return {name: nn.utils.parameters_to_vector(part.parameters()).detach() for name, part in parts.items()}


def test_the_adversary_moves_target_scores_towards_what_passes_for_the_source(monkeypatch):
    monkeypatch.setattr(Gate, "is_open_after", lambda *_: True)
    trainer = stage(learning_rate=1e-4, adversarial_weight=1e3)
    monkeypatch.setattr(trainer, "_descend_discriminator", lambda *_: (torch.tensor(1.0), torch.tensor(1.0)))
    trainer.discriminator.eval()
    losses = [trainer.update(0)["adversarial"].item() for _ in range(8)]
    trainer.close()
    assert losses[-1] < losses[0]


class Knows(nn.Module):
    """A discriminator to which a bright score comes from the source: logits -s of the target, s of the source."""

    def forward(self, scores):
        return torch.cat([-scores[:, :1], scores[:, :1]], dim=1)


def test_the_discriminator_is_right_about_a_bright_source_and_wrong_about_targets_that_pass_for_it():
    """Its cross-entropy is ln(1 + e^-1) for scores of 1/2 and -1/2; having the target pass costs ln(1 + e)."""
    trainer = stage()
    trainer.network, trainer.discriminator = Likes(0.0), Knows()
    trainer.network.forward = lambda x: x.expand(-1, CLASSES, -1, -1, -1) + 0 * trainer.network.bias
    bright, dark = torch.full((1, 1, 4, 4), 0.5), torch.full((1, 1, 4, 4), -0.5)
    trainer.discriminator_optimizer = trainer.optimizer = SimpleNamespace(
        zero_grad=lambda **_: None, step=lambda: None, param_groups=[]
    )
    bias = nn.Parameter(torch.zeros(()))
    trainer._domain = lambda scores: trainer.discriminator(scores) + 0 * bias
    loss, accuracy = trainer._descend_discriminator(bright, dark)
    adversarial, _ = trainer._descend_segmenter(bright, torch.zeros(1, 4, 4, dtype=torch.long), dark)
    trainer.close()
    assert accuracy.item() == 1 and loss.item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert adversarial.item() == pytest.approx(math.log(1 + math.exp(1)))


def test_both_optimizers_are_those_of_the_released_code():
    trainer = stage(learning_rate=1e-5)
    trainer.close()
    for optimizer in (trainer.optimizer, trainer.discriminator_optimizer):
        (group,) = optimizer.param_groups
        found = [group[key] for key in ("lr", "momentum", "weight_decay", "nesterov", "dampening")]
        assert type(optimizer) is torch.optim.SGD and found == [1e-5, 0.99, 5e-4, False, 0]


def test_the_discriminator_has_the_released_codes_parameters():
    expected = CLASSES * 512 + 512 + 512 * 256 + 256 + 256 * 2 + 2
    assert sum(p.numel() for p in ScoreDiscriminator(CLASSES).parameters()) == expected
    assert ScoreDiscriminator(CLASSES)(torch.zeros(2, CLASSES, 8, 6)).shape == (2, 2, 8, 6)
