"""The picture of a training's patches, pixel by pixel."""

import numpy as np
import torch
from matplotlib.colors import to_rgb

from dar_uda.figures.style import COLORS_ON_IMAGES
from dar_uda.segmentation.previews import SLICES, draw_slices, middle_slices


def test_slices_stand_side_by_side_as_they_are_under_labels_and_under_predictions():
    images = torch.tensor([[[-1.0, 0.0]], [[1.0, 3.0]]])  # two slices of 1 x 2
    labels = torch.tensor([[[0, 2]], [[1, 0]]])
    predicted = torch.tensor([[[0, 0]], [[0, 1]]])
    picture = draw_slices(images, labels, predicted)
    gray = np.repeat([0.0, 0.5, 1.0, 1.0], 3).reshape(4, 3)
    first, second = (np.array(to_rgb(color)) for color in COLORS_ON_IMAGES[:2])
    under_labels = [gray[0], (gray[1] + second) / 2, (gray[2] + first) / 2, gray[3]]
    under_predicted = [*gray[:3], (gray[3] + first) / 2]
    np.testing.assert_allclose(picture, [gray, under_labels, under_predicted], atol=1e-6)


def test_the_middle_slices_are_copies_with_the_highest_class_of_each_voxel():
    images = torch.arange(24.0).reshape(2, 1, 3, 2, 2)
    labels = torch.arange(24).reshape(2, 3, 2, 2)
    scores = torch.zeros(2, 4, 3, 2, 2)
    scores[0, 3, 1, 0, 1] = scores[1, 2, 1, 1, 0] = 1.0
    scores[:, 1, [0, 2]] = 9.0
    found = middle_slices(images, labels, scores)
    slices, of_labels, predicted = found.values()
    assert tuple(found) == SLICES
    assert slices.tolist() == [[[4, 5], [6, 7]], [[16, 17], [18, 19]]] == of_labels.tolist()
    assert predicted.tolist() == [[[0, 3], [0, 0]], [[0, 0], [2, 0]]]
    assert slices.untyped_storage().nbytes() == 8 * slices.itemsize
