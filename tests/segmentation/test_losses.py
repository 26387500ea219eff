import math

import pytest
import torch

from dar_uda.segmentation.losses import focal_loss, segmentation_loss, soft_dice_loss


def volume(*values):
    return torch.tensor(values).view(1, len(values), 1, 1, -1)


def test_soft_dice_by_hand():
    probabilities = volume([0.5, 0.5], [0.5, 0.5])
    one_hot = volume([1.0, 0.0], [0.0, 1.0])
    # Per class: 2 * 0.5 / (0.25 + 0.25 + 1) = 2 / 3.
    assert soft_dice_loss(probabilities, one_hot).item() == pytest.approx(1 / 3, abs=1e-4)


def test_soft_dice_of_a_perfect_prediction_is_zero():
    one_hot = volume([1.0, 0.0], [0.0, 1.0])
    assert soft_dice_loss(one_hot, one_hot).item() == pytest.approx(0, abs=1e-6)


def test_focal_loss_by_hand():
    log_probabilities = torch.log(volume([0.5, 0.25], [0.5, 0.75]))
    labels = torch.tensor([0, 1]).view(1, 1, 1, 2)
    # Voxel one: 0.5^2 * ln 2; voxel two: 0.25^2 * ln(4 / 3); mean over two voxels and two classes.
    expected = (0.25 * math.log(2) + 0.0625 * math.log(4 / 3)) / 4
    assert focal_loss(log_probabilities, labels).item() == pytest.approx(expected, rel=1e-5)


def test_segmentation_loss_is_dice_plus_weighted_focal():
    torch.manual_seed(0)
    scores, labels = torch.randn(1, 3, 2, 4, 4), torch.randint(0, 3, (1, 2, 4, 4))
    dice_alone = segmentation_loss(scores, labels, 0.0)
    focal = focal_loss(torch.log_softmax(scores, 1), labels)
    torch.testing.assert_close(segmentation_loss(scores, labels, 10.0), dice_alone + 10 * focal)
