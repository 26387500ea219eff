"""Other tools' networks on our patch: their losses by hand, and what is said where they are not installed."""

import math

import pytest
import torch

from benchmarks import peers
from benchmarks.gpu.kit import version_of
from benchmarks.peers import ABSENT, PeerStep, deep_supervision_weights, step_rows

TINY = (2, 1, 16, 16, 16)


def test_the_lowest_output_does_not_count_and_the_others_are_halved_from_one_to_the_next():
    assert deep_supervision_weights(1) == [1]
    assert deep_supervision_weights(4) == pytest.approx([4 / 7, 2 / 7, 1 / 7, 0])


def test_a_step_changes_the_network_and_its_loss_is_dice_with_cross_entropy():
    step = PeerStep("MONAI's UNet", TINY)
    scores = torch.zeros(1, 5, *TINY[2:])
    scores[0, 1] = 2  # class 1 everywhere with a probability of e^2 / (e^2 + 4), each other one with 1 / (e^2 + 4)
    found = [math.exp(2 * (label == 1)) / (math.e**2 + 4) for label in range(5)]
    there = [(step.labels[0] == label).double().mean().item() for label in range(5)]
    pairs = list(zip(found, there, strict=True))
    dice = sum(1 - 2 * q * share / (q + share) for q, share in pairs[1:]) / 4
    entropy = -sum(share * math.log(q) for q, share in pairs)
    assert step.loss(scores, step.labels[:1]).item() == pytest.approx(dice + entropy, abs=1e-4)
    before = [parameter.clone() for parameter in step.network.parameters()]
    step()
    assert all(not torch.equal(old, new) for old, new in zip(before, step.network.parameters(), strict=True))


def test_rows_of_what_is_not_installed_say_what_to_do(monkeypatch):
    monkeypatch.setattr(peers, "PATCH", TINY[2:])
    monkeypatch.setattr(peers, "Step", lambda *_, **__: lambda: None)
    monkeypatch.setattr(peers, "PeerStep", lambda *_: type("", (), {"__call__": lambda _: None, "parameters": 10**6})())
    monkeypatch.setattr(peers, "find_spec", lambda name: name == "monai")
    rows = list(step_rows(torch.float32))
    assert [row.note == ABSENT and row.ours is None for row in rows] == [True, True, False, False]
    assert rows[2].note.endswith("n 5; 1.0 million parameters")


def test_the_kit_gets_the_versions_that_nnunets_environment_has():
    assert version_of("nnunetv2").startswith("2.8.")
