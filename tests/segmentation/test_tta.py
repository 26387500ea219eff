import numpy as np
import pytest
import torch

from dar_uda.data.network_volume import LEVELS
from dar_uda.segmentation.tta import TTA_TRANSFORMS, TtaInconsistency, likeliest, predict_transformed


def slabs_of(image):
    """Yield one slice at a time; the probability of class 1 is the brightness."""
    for part in (image / np.float32(LEVELS)).astype(np.float32):
        yield torch.from_numpy(np.stack([1 - part, part])[:, None])


def test_transforms_are_flip_and_intensity_and_come_back_where_they_were():
    image = np.zeros((2, 3, 2), np.uint16)
    image[1, 0, 1] = 0.5 * LEVELS
    image[0, 2, 0] = LEVELS
    slabs = list(predict_transformed(image, slabs_of, flips=True))
    assert len(slabs) == 2, "one list per slab"
    here = [slab[1, 0, 0, 1] for slab in slabs[1]]
    np.testing.assert_allclose(here, [0.5, 0.5, 0.55, 0.45, 0.6], atol=1e-4)
    bright = [slab[1, 0, 2, 0] for slab in slabs[0]]
    np.testing.assert_allclose(bright, [1, 1, 1, 0.9, 1], atol=1e-4)


def test_the_likeliest_class_is_the_first_of_equal_ones():
    probabilities = torch.tensor([[0.4, 0.2, 0.3], [0.4, 0.2, 0.4], [0.2, 0.6, 0.3]])
    assert likeliest(probabilities).tolist() == [0, 2, 1]


def test_a_network_that_never_saw_a_flip_sees_none():
    image = np.zeros((1, 3, 2), np.uint16)
    image[0, 2, 0] = 0.5 * LEVELS
    (slab,) = predict_transformed(image, slabs_of, flips=False)
    np.testing.assert_allclose([each[1, 0, 2, 0] for each in slab], [0.5, 0.55, 0.45, 0.6], atol=1e-4)


def test_the_flip_is_antero_posterior():
    image = np.arange(12, dtype=np.uint16).reshape(1, 4, 3)
    flipped = TTA_TRANSFORMS[1][0](image)
    assert flipped[0].tolist() == [[9, 10, 11], [6, 7, 8], [3, 4, 5], [0, 1, 2]]


def test_tta_inconsistency_is_the_mean_of_one_minus_dice_over_the_changes():
    def slab(*classes):
        return torch.eye(3)[list(classes)].T[:, None, None]

    changes = TtaInconsistency(2)
    changes.add([slab(1, 1, 0, 0), slab(1, 1, 0, 0), slab(1, 0, 0, 0), slab(0, 0, 1, 0), slab(1, 1, 1, 1)])
    changes.add([slab(0, 1), slab(0, 1), slab(0, 1), slab(0, 0), slab(1, 1)])
    # Class 1 has 3 voxels. Dice with the views: 1; 2*2/(3+2); 0; 2*3/(3+6).
    first, second = changes.values()
    assert first == pytest.approx((0 + 1 / 5 + 1 + 1 / 3) / 4)
    assert np.isnan(second), "no mask has the structure"
