import math

import pytest
import torch

from benchmarks.literal.dar_unet import literal_loss
from dar_uda.segmentation.losses import segmentation_loss


def scores_of(*probabilities):
    """Return scores (1, classes, 1, 1, voxels) whose softmax is the given probabilities, one list per class."""
    return torch.log(torch.tensor(probabilities)).view(1, len(probabilities), 1, 1, -1)


def labels_of(*classes):
    return torch.tensor(classes).view(1, 1, 1, -1)


def test_soft_dice_by_hand():
    scores = scores_of([0.5, 0.5], [0.5, 0.5])
    # Per class: 2 * 0.5 / (0.25 + 0.25 + 1) = 2 / 3.
    assert segmentation_loss(scores, labels_of(0, 1), 0.0).item() == pytest.approx(1 / 3, abs=1e-4)


def test_a_perfect_prediction_costs_nothing():
    scores = torch.tensor([[50.0, -50.0], [-50.0, 50.0]]).view(1, 2, 1, 1, 2)
    assert segmentation_loss(scores, labels_of(0, 1), 10.0).item() == pytest.approx(0, abs=1e-6)


def test_focal_loss_by_hand():
    scores, labels = scores_of([0.5, 0.25], [0.5, 0.75]), labels_of(0, 1)
    # Voxel one: 0.5^2 * ln 2; voxel two: 0.25^2 * ln(4 / 3); mean over two voxels and two classes.
    expected = (0.25 * math.log(2) + 0.0625 * math.log(4 / 3)) / 4
    focal = segmentation_loss(scores, labels, 3.0) - segmentation_loss(scores, labels, 0.0)
    assert focal.item() == pytest.approx(3 * expected, rel=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_values_and_gradients_are_those_of_the_formulas(dtype, tolerance):
    torch.manual_seed(0)
    scores = (4 * torch.randn(2, 4, 3, 5, 6, dtype=dtype)).requires_grad_()
    labels = torch.randint(0, 3, (2, 3, 5, 6))  # class 3 has no voxel
    ours, literal = segmentation_loss(scores, labels, 10.0), literal_loss([scores], labels, 10.0)
    torch.testing.assert_close(ours, literal, rtol=tolerance, atol=tolerance)
    gradients = [torch.autograd.grad(3 * loss, scores)[0] for loss in (ours, literal)]
    torch.testing.assert_close(*gradients, rtol=tolerance, atol=tolerance)


def test_scores_in_bfloat16_get_a_loss_in_float32_and_gradients_in_bfloat16():
    scores = torch.randn(1, 3, 2, 4, 4).bfloat16().requires_grad_()
    loss = segmentation_loss(scores, torch.zeros(1, 2, 4, 4, dtype=torch.long), 10.0)
    loss.backward()
    assert (loss.dtype, scores.grad.dtype) == (torch.float32, torch.bfloat16)
