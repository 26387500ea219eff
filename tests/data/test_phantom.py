import nibabel as nib
import numpy as np
import pytest

from dar_uda.data import phantom
from dar_uda.data.phantom import make_phantom, style_of

LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = ORGANS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Return a function that makes a case once and opens it as (image, label)."""
    folder = tmp_path_factory.mktemp("phantom")
    made = {}

    def make(domain, number, style=None, seed=0):
        key = (domain, number, style, seed)
        if key not in made:
            paths = [folder / f"{len(made)}-{kind}.nii.gz" for kind in ("image", "label")]
            make_phantom(domain, number, *paths, seed=seed, style=style)
            made[key] = [nib.load(path) for path in paths]
        return made[key]

    return make


def organ_means(image, label):
    values, labels = np.asarray(image.dataobj, float), np.asarray(label.dataobj)
    return {organ: values[labels == organ].mean() for organ in ORGANS}


def centroid_mm(label, organ):
    voxels = np.argwhere(np.asarray(label.dataobj) == organ)
    return nib.affines.apply_affine(label.affine, voxels.mean(axis=0))


def test_same_seed_writes_same_bytes(tmp_path):
    for name in ("first", "second"):
        make_phantom("mr", 2, tmp_path / name / "image.nii.gz", tmp_path / f"{name}-label.nii.gz", seed=5)
    assert (tmp_path / "first/image.nii.gz").read_bytes() == (tmp_path / "second/image.nii.gz").read_bytes()
    assert (tmp_path / "first-label.nii.gz").read_bytes() == (tmp_path / "second-label.nii.gz").read_bytes()


def test_each_number_domain_and_seed_is_another_patient(case):
    volumes = [
        tuple((np.asarray(case(*key)[1].dataobj) == organ).sum() for organ in ORGANS)
        for key in (("ct", 0), ("ct", 1), ("mr", 0), ("ct", 0, None, 1))
    ]
    assert len(set(volumes)) == 4


@pytest.mark.parametrize("domain, number", [("ct", 0), ("ct", 1), ("mr", 0), ("mr", 1), ("mr", 7)])
def test_all_organs_are_there_in_plausible_sizes_and_the_liver_is_largest(case, domain, number):
    image, label = case(domain, number)
    voxel_ml = abs(np.linalg.det(label.affine[:3, :3])) / 1000
    counts = np.bincount(np.asarray(label.dataobj).ravel(), minlength=5)
    volumes = counts[1:] * voxel_ml
    assert len(counts) == 5
    assert 900 < volumes[0] < 2600
    assert volumes[0] == volumes.max()
    assert all(90 < volume < 600 for volume in volumes[1:])
    assert image.get_data_dtype() == np.int16 and label.get_data_dtype() == np.uint8


@pytest.mark.parametrize("domain, number", [("ct", 0), ("mr", 0), ("mr", 1), ("mr", 7)])
def test_sides_are_the_patients_through_any_storage_orientation(case, domain, number):
    _, label = case(domain, number)
    assert centroid_mm(label, RIGHT_KIDNEY)[0] > 30
    assert centroid_mm(label, LEFT_KIDNEY)[0] < -30
    assert centroid_mm(label, SPLEEN)[0] < 0 < centroid_mm(label, LIVER)[0]


def test_cases_are_stored_in_several_orientations_and_spacings(case):
    images = [case("mr", number)[0] for number in (0, 1, 7)]
    assert len({nib.aff2axcodes(image.affine) for image in images}) == 3
    assert len({image.header.get_zooms() for image in images}) == 3


def test_image_and_label_share_a_grid_in_both_forms(case):
    image, label = case("mr", 1)
    assert image.shape == label.shape
    np.testing.assert_array_equal(image.affine, label.affine)
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)
    assert image.header["qform_code"] == image.header["sform_code"] == 1


@pytest.mark.parametrize("number", range(2))
def test_ct_is_in_hu_with_liver_and_spleen_alike(case, number):
    image, label = case("ct", number)
    means = organ_means(image, label)
    corners = np.asarray(image.dataobj)[::200, ::200, ::200]
    assert abs(means[LIVER] - means[SPLEEN]) < 30
    assert means[LIVER] == pytest.approx(106, abs=20)
    assert means[RIGHT_KIDNEY] == pytest.approx(means[LEFT_KIDNEY], abs=10)
    assert corners.max() < -850 and corners.mean() < -900


def test_spleen_is_clearly_brighter_than_liver_on_mr(case):
    means = organ_means(*case("mr", 0))
    assert means[SPLEEN] > 1.4 * means[LIVER]


def test_rare_style_shows_the_patient_with_the_liver_above_the_spleen(case):
    common, rare = organ_means(*case("mr", 0)), organ_means(*case("mr", 0, "rare"))
    assert rare[LIVER] / rare[SPLEEN] > 1.5 * common[LIVER] / common[SPLEEN]


def test_rare_style_is_case_7_of_training_and_11_of_test_and_the_others_take_turns():
    styles = [style_of(number) for number in range(12)]
    assert [number for number, style in enumerate(styles) if style == "rare"] == [7, 11]
    assert len(set(styles[:4])) == 4
    assert styles[8] not in styles[4:7]


def test_a_collection_leaves_the_patient_as_he_is_and_sets_the_percentile_that_becomes_1(tmp_path):
    scans = []
    for has_collection in (False, True):
        image, label = tmp_path / f"{has_collection}-image.nii.gz", tmp_path / f"{has_collection}-label.nii.gz"
        make_phantom("mr", 13, image, label, has_collection=has_collection)
        scans.append((nib.load(image), nib.load(label)))
    (plain, organs), (bright, same) = scans
    changed = np.asarray(plain.dataobj) != np.asarray(bright.dataobj)
    liters = changed.sum() * abs(np.linalg.det(plain.affine[:3, :3])) / 1e6
    np.testing.assert_array_equal(np.asarray(organs.dataobj), np.asarray(same.dataobj))
    assert 0.2 < liters < 1.0
    for scan, low, high in ((plain, 0.5, 1.0), (bright, 0.15, 0.45)):
        ones = np.percentile(np.asarray(scan.dataobj), 99.5)
        assert low < organ_means(scan, organs)[SPLEEN] / ones < high


@pytest.mark.parametrize("domain, number", [("mr", 13), ("mr", 12), ("ct", 13)])
def test_case_13_of_the_mr_alone_has_a_collection(monkeypatch, tmp_path, domain, number):
    class Enough(Exception):
        pass

    def build(*_, has_collection=False):
        assert has_collection == ((domain, number) == ("mr", 13))
        raise Enough

    monkeypatch.setattr(phantom, "build_anatomy", build)
    with pytest.raises(Enough):
        phantom.make_phantom(domain, number, tmp_path / "image.nii", tmp_path / "label.nii")


def test_unknown_domain_and_style_are_named(tmp_path):
    with pytest.raises(ValueError, match="'pet'"):
        make_phantom("pet", 0, tmp_path / "image.nii.gz", tmp_path / "label.nii.gz")
    with pytest.raises(ValueError, match="'sepia'"):
        make_phantom("mr", 0, tmp_path / "image.nii.gz", tmp_path / "label.nii.gz", style="sepia")
