import numpy as np
import pytest
import torch

from dar_uda.adaptation.labeled_slices import LabeledSliceSampler, open_slices
from dar_uda.data.network_volume import write_image, write_label
from dar_uda.training.randomness import generator_for

SETTINGS = {"patch_size": [4, 16, 16], "scale": 0.1, "augmentation": "published", "batch_size": 99}
CPU = torch.device("cpu")


@pytest.fixture
def volume(tmp_path):
    """Eight slices, of which the third alone shows anything: a bright box, labeled 1."""
    label = np.zeros((8, 16, 16), np.uint8)
    label[2, 4:12, 4:12] = 1
    write_label(tmp_path / "label.nii", label, np.eye(4))
    write_image(tmp_path / "image.nii", np.where(label == 1, 0.8, 0.2).astype(np.float32), np.eye(4))
    write_image(tmp_path / "flat.nii", np.full((8, 16, 16), 0.5, np.float32), np.eye(4))
    return tmp_path


def test_every_slice_has_contrast_and_its_own_labels(volume):
    sampler = LabeledSliceSampler([volume / "image.nii"], [volume / "label.nii"], SETTINGS, 12)
    images, labels = sampler.draw(generator_for(0, "slices"), CPU)
    assert images.shape == (12, 1, 16, 16) and labels.shape == (12, 16, 16) and labels.dtype == torch.long
    for image, label in zip(images[:, 0], labels, strict=True):
        assert label.max() == 1 and image[label == 1].mean() > image[label == 0].mean() + 0.5


def test_without_labels_all_is_background(volume):
    _, target = open_slices([volume / "image.nii"], [volume / "label.nii"], [volume / "image.nii"], SETTINGS, 2)
    images, labels = target.draw(generator_for(0, "slices"), CPU)
    assert len(images) == 2 and labels.max() == 0


def test_a_slice_whose_content_augmentation_moves_out_of_sight_is_taken_as_it_is(volume, monkeypatch):
    monkeypatch.setitem(SETTINGS, "augmentation", "gone")
    monkeypatch.setitem(
        __import__("dar_uda.segmentation.patches", fromlist=["AUGMENTATIONS"]).AUGMENTATIONS,
        "gone",
        lambda patch, classes, *_: (torch.zeros_like(patch), torch.zeros_like(classes)),
    )
    sampler = LabeledSliceSampler([volume / "image.nii"], [volume / "label.nii"], SETTINGS, 1)
    images, labels = sampler.draw(generator_for(0, "slices"), CPU)
    assert labels.sum() == 64 and images.max() == pytest.approx(0.6, abs=1e-3)


def test_volumes_without_contrast_are_refused_by_name(volume):
    sampler = LabeledSliceSampler([volume / "flat.nii"], None, SETTINGS, 1)
    with pytest.raises(ValueError, match=r"DAR-228: .*flat\.nii and others: no slice with contrast in 100 draws"):
        sampler.draw(generator_for(0, "slices"), CPU)
