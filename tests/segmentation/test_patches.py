import numpy as np
import pytest
import torch

from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.augmentation import augment, change_intensity, random_grid
from dar_uda.segmentation.domain_randomization import DomainRandomization
from dar_uda.segmentation.patches import PatchSampler, StructureVoxels

CPU = torch.device("cpu")


@pytest.fixture
def case(tmp_path):
    """A volume whose intensity tells its label: 0.8 in the organ, 0.2 elsewhere; the organ is in one corner."""
    label = np.zeros((12, 40, 40), np.uint8)
    label[1:4, 2:8, 3:9] = 1
    write_label(tmp_path / "label.nii", label, np.eye(4))
    write_image(tmp_path / "image.nii", np.where(label == 1, 0.8, 0.2).astype(np.float32), np.eye(4))
    return [tmp_path / "image.nii"], [tmp_path / "label.nii"]


def test_patches_have_the_asked_shape_and_range(case):
    images, labels = PatchSampler(*case, (8, 16, 16), batch_size=3, foreground_fraction=0).draw(
        np.random.default_rng(0), CPU
    )
    assert images.shape == (3, 1, 8, 16, 16) and labels.shape == (3, 8, 16, 16)
    assert images.min() >= -1 and images.max() <= 1 and labels.dtype == torch.int64


def test_foreground_fraction_puts_the_organ_into_every_patch(case):
    sampler = PatchSampler(*case, (8, 16, 16), batch_size=20, foreground_fraction=1.0)
    _, labels = sampler.draw(np.random.default_rng(0), CPU)
    assert (labels == 1).flatten(1).any(dim=1).float().mean() > 0.9
    anywhere = PatchSampler(*case, (8, 16, 16), batch_size=20, foreground_fraction=0.0)
    _, labels = anywhere.draw(np.random.default_rng(0), CPU)
    assert (labels == 1).flatten(1).any(dim=1).float().mean() < 0.7


def test_a_volume_smaller_than_the_patch_is_padded_with_background(case):
    images, labels = PatchSampler(*case, (16, 48, 48), batch_size=1, foreground_fraction=0).draw(
        np.random.default_rng(1), CPU
    )
    assert images.shape == (1, 1, 16, 48, 48)
    assert (images == -1).any() and (labels == 1).sum() > 0


def test_image_and_label_move_together(case):
    sampler = PatchSampler(*case, (12, 32, 32), batch_size=30, foreground_fraction=1.0)
    images, labels = sampler.draw(np.random.default_rng(3), CPU)
    inside, outside = images[:, 0][labels == 1], images[:, 0][labels == 0]
    # 0.8 and 0.2 in [-1, 1] are 0.6 and -0.6; edges blur and intensities change by up to a tenth.
    assert (inside > 0).float().mean() > 0.95 and (outside < 0).float().mean() > 0.95


def test_the_untranslated_source_has_its_fraction(case, tmp_path):
    write_image(tmp_path / "synthetic.nii", np.full((12, 40, 40), 0.5, np.float32), np.eye(4))
    domain_randomization = DomainRandomization(gin=0, structure_contrast=0, source_fraction=0.25)
    sampler = PatchSampler(
        [tmp_path / "synthetic.nii"],
        case[1],
        (8, 16, 16),
        400,
        0.0,
        domain_randomization=domain_randomization,
        source=case,
    )
    images, _ = sampler.draw(np.random.default_rng(0), CPU)
    source = images[:, 0, 4, 8, 8] < -0.3  # 0.2 in [-1, 1] is -0.6; the synthetic volume stays above -0.2
    assert source.float().mean() == pytest.approx(0.25, abs=0.07)  # three standard deviations
    without = PatchSampler([tmp_path / "synthetic.nii"], case[1], (8, 16, 16), 50, 0.0, source=case)
    assert (without.draw(np.random.default_rng(0), CPU)[0][:, 0, 4, 8, 8] > -0.3).all()


def test_left_and_right_are_never_exchanged():
    image = torch.zeros(4, 32, 32)
    image[:, :, 20:] = 1  # bright on the left side of the patient
    for seed in range(40):
        moved, _ = augment(image, image.long(), np.random.default_rng(seed))
        assert moved[:, 10:22, 22:26].mean() > moved[:, 10:22, 6:10].mean()


def test_intensity_changes_stay_in_range_and_are_mild():
    image = torch.full((2, 4, 4), 0.5)
    changed = [change_intensity(image, np.random.default_rng(seed)).mean().item() for seed in range(50)]
    assert min(changed) >= 0.5 * 0.9 - 1e-6 and max(changed) <= (0.5 + 0.1) * 1.1 + 1e-6


def test_grid_without_any_change_is_none_and_rotation_keeps_the_center():
    grids = [random_grid((32, 32), np.random.default_rng(seed)) for seed in range(30)]
    assert 2 <= sum(grid is None for grid in grids) <= 12  # expected: 0.5 * 0.5 * 0.8 = 0.2 of them
    assert all(grid.shape == (1, 32, 32, 2) for grid in grids if grid is not None)


@pytest.fixture
def labels():
    """Ten voxels of structure 2 and one of structure 5, spread over the slices."""
    label = np.zeros((4, 5, 6), np.uint8)
    label[0, 4, 5] = label[3, 0, 0] = 2
    label[1, 1:3, 1:5] = 2
    label[2, 2, 2] = 5
    return label


def test_every_voxel_of_a_structure_is_drawn_equally_often(labels):
    voxels, rng = StructureVoxels(labels), np.random.default_rng(0)
    found, counts = np.unique([voxels.draw(labels, rng) for _ in range(4000)], axis=0, return_counts=True)
    assert sorted(map(tuple, found)) == sorted(map(tuple, np.argwhere(labels)))
    single = counts[(found == (2, 2, 2)).all(axis=1)]
    # One structure in two draws: 2000 for the one voxel of 5 and 200 for each of 2, give or take four deviations.
    assert abs(single.item() - 2000) < 4 * np.sqrt(4000 / 4)
    assert all(abs(count - 200) < 4 * np.sqrt(200) for count in counts if count != single)


def test_a_drawn_voxel_is_that_of_a_draw_from_the_list_of_all(labels):
    voxels = StructureVoxels(labels)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        listed = np.argwhere(labels == rng.choice([2, 5]))
        assert voxels.draw(labels, np.random.default_rng(seed)) == tuple(listed[rng.integers(len(listed))])


def test_without_structures_there_is_no_voxel_and_patches_lie_anywhere(tmp_path, case):
    label = np.zeros((12, 40, 40), np.uint8)
    assert StructureVoxels(label).draw(label, np.random.default_rng(0)) is None
    write_label(tmp_path / "empty.nii", label, np.eye(4))
    sampler = PatchSampler(case[0], [tmp_path / "empty.nii"], (8, 16, 16), batch_size=2, foreground_fraction=1.0)
    assert (sampler.draw(np.random.default_rng(0), CPU)[1] == 0).all()


def test_images_that_share_a_label_file_share_what_is_known_of_it(case):
    sampler = PatchSampler(case[0] * 3, case[1] * 3, (8, 16, 16), batch_size=6, foreground_fraction=1.0)
    sampler.draw(np.random.default_rng(0), CPU)
    assert list(sampler._voxels) == [case[1][0]]
