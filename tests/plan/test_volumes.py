import pytest

from dar_uda.plan.cases import Cases
from dar_uda.plan.errors import PlanError
from dar_uda.plan.methods import TRANSLATIONS, Method
from tests.plan.plans import EXTRAS, LABELED, case, plan_of

RUN = "results/phantom"
MULTI = "ct-to-mr.disentangled-multi"


def volumes_of(text="{}", **cases):
    return plan_of(text, **cases).volumes


def test_a_direction_has_labeled_cases_of_its_source_and_all_of_its_target():
    volumes = volumes_of()
    assert volumes.source_cases("ct-to-mr") == ["ct1", "ct2"]
    assert volumes.target_cases("ct-to-mr") == ["mr1", "mr2"]
    assert volumes.target_cases("mr-to-ct") == ["ct1", "ct2", "ct3"]
    assert volumes.test_cases("ct-to-mr") == ["mr3", "mr4"]
    assert volumes.test_cases("ct-to-mr", labeled=True) == ["mr3"] and volumes.test_cases("mr-to-ct") == []
    assert volumes.of_source("ct-to-mr", "image.nii") == [f"{RUN}/cases/ct/ct{n}/image.nii" for n in (1, 2)]
    assert volumes.of_target("ct-to-mr", "image.nii") == [f"{RUN}/cases/mr/mr{n}/image.nii" for n in (1, 2)]
    assert volumes.of_tests("ct-to-mr", "grid.json") == [f"{RUN}/cases/mr/mr{n}/grid.json" for n in (3, 4)]


def test_a_source_without_labels_is_refused_with_what_to_do():
    with pytest.raises(PlanError) as error:
        volumes_of().source_cases("mr-to-ct")
    assert str(error.value) == (
        "DAR-040: Direction mr-to-ct: no training case of domain mr has a label. Give one a label, or choose "
        "another direction."
    )


def test_masks_are_scored_by_the_users_files():
    volumes = volumes_of()
    assert volumes.scored("ct-to-mr", "image") == ["mr3.nii.gz"]
    assert volumes.scored("ct-to-mr", "label") == ["mr3_label.nii.gz"]
    assert volumes.files_of("ct", ["ct3", "ct1"], "image") == ["ct3.nii.gz", "ct1.nii.gz"]
    assert volumes.files_of_source("ct-to-mr", "label") == ["ct1_label.nii.gz", "ct2_label.nii.gz"]
    assert volumes.file_of("ct", "ct3", "image") == "ct3.nii.gz"
    with pytest.raises(PlanError, match="Case ct3 of domain ct has no label; give it one in the table."):
        volumes.files_of("ct", ["ct1", "ct3"], "label")
    with pytest.raises(PlanError, match="Domain ct of the cases table has no case 'mr1'"):
        volumes.files_of("ct", ["mr1"], "image")


def test_test_cases_are_predicted_and_scored_by_chunk():
    volumes = volumes_of("inference: {chunk_size: 1}")
    assert volumes_of().chunks("ct-to-mr") == {"mr3": ["mr3", "mr4"]}
    assert volumes.chunks("ct-to-mr") == {"mr3": ["mr3"], "mr4": ["mr4"]}
    assert volumes_of().scored_chunks("ct-to-mr") == volumes.scored_chunks("ct-to-mr") == {"mr3": ["mr3"]}
    assert volumes.of_tests("ct-to-mr", "image.nii", "mr4") == [f"{RUN}/cases/mr/mr4/image.nii"]
    assert volumes.scored("ct-to-mr", "label", "mr3") == ["mr3_label.nii.gz"]
    assert volumes.chunks("mr-to-ct") == volumes.scored_chunks("mr-to-ct") == {}
    for of_chunk in (
        lambda: volumes.of_tests("ct-to-mr", "image.nii", "mr9"),
        lambda: volumes.scored("ct-to-mr", "label", "mr4"),
    ):
        with pytest.raises(PlanError, match="No chunk of test cases begins with case 'mr[49]'"):
            of_chunk()


def test_the_patients_of_scored_cases_come_in_their_order():
    named = {"mr6": "P2", "mr7": "P1", "mr8": "", "mr9": "P2"}
    tests = (case(name, "test", name != "mr7", patient) for name, patient in named.items())
    cases = Cases((case("ct1", "train", True, "P9"), *tests))
    volumes = volumes_of("inference: {chunk_size: 1}", cases=cases)
    assert volumes.scored_cases("ct-to-mr") == ["mr6", "mr8", "mr9"]
    assert volumes.scored_patients("ct-to-mr") == ["P2", "mr8", "P2"]
    assert volumes.scored_cases("ct-to-mr", "mr9") == ["mr9"] and volumes.scored_patients("ct-to-mr", "mr9") == ["P2"]
    assert volumes_of().scored_patients("ct-to-mr") == volumes_of().scored_cases("ct-to-mr") == ["mr3"]
    with pytest.raises(PlanError, match="No chunk of test cases begins with case 'mr7'"):
        volumes.scored_patients("ct-to-mr", "mr7")


def test_the_papers_protocol_crops_ct_to_its_labels_and_the_clean_one_nothing():
    paper = volumes_of("{task: abdomen, protocol: paper}")
    assert paper.label_to_crop_to("ct", "ct1") == "ct1_label.nii.gz"
    assert paper.label_to_crop_to("mr", "mr3") == []
    with pytest.raises(PlanError, match="Case ct3 of domain ct has no label, to which protocol `paper` crops"):
        paper.label_to_crop_to("ct", "ct3")
    clean = volumes_of("task: abdomen")
    assert [clean.label_to_crop_to("ct", name) for name in ("ct1", "ct3")] == [[], []]


def test_a_grid_is_cut_to_a_region_where_it_has_a_margin():
    assert volumes_of().region() == []
    assert volumes_of("tasks: {phantom: {grid: {region_margin: 0}}}").region() == f"{RUN}/region.json"


def test_a_translation_draws_a_volume_per_style():
    volumes = volumes_of("styles: {clusters: 2}")
    assert [volumes.style_count(f"disentangled-{strategy}") for strategy in ("multi", "average")] == [2, 1]
    assert volumes.style_count("cyclegan-single") == 1
    folder = f"{RUN}/seed-4/synthetic/ct-to-mr"
    assert volumes.synthetic("ct-to-mr", "disentangled-multi", "ct2", 4) == [
        f"{folder}/disentangled-multi/ct2/style-0.nii",
        f"{folder}/disentangled-multi/ct2/style-1.nii",
    ]
    assert volumes.synthetic("ct-to-mr", "disentangled-average", "ct2", 4) == [
        f"{folder}/disentangled-average/ct2/style-0.nii"
    ]


def test_a_source_case_is_translated_with_its_label_where_intensities_are_matched():
    volumes = volumes_of()
    assert volumes.source_image("ct-to-mr", "ct2") == f"{RUN}/cases/ct/ct2/image.nii"
    assert volumes.label_beside("ct-to-mr", "ct2") == []
    matched = volumes_of("styles: {inter_slice_correction: true}")
    assert matched.label_beside("ct-to-mr", "ct2") == f"{RUN}/cases/ct/ct2/label.nii"


def test_real_volumes_have_a_label_each():
    volumes = volumes_of()
    assert volumes.labeled("ct") == ["ct1", "ct2"] and volumes.labeled("mr") == []
    assert volumes.images("ct", 0) == [f"{RUN}/cases/ct/ct{n}/image.nii" for n in (1, 2)]
    assert volumes.labels("ct") == [f"{RUN}/cases/ct/ct{n}/label.nii" for n in (1, 2)]
    assert volumes.images("ct", 0, ["ct2"]) == [f"{RUN}/cases/ct/ct2/image.nii"]
    assert volumes.labels("ct", ["ct2"]) == [f"{RUN}/cases/ct/ct2/label.nii"]
    assert volumes.images("ct", 0, []) == volumes.labels("ct", []) == []


def test_synthetic_volumes_have_the_label_of_their_case_once_per_style():
    volumes = volumes_of("styles: {clusters: 2}")
    folder = f"{RUN}/seed-0/synthetic/{MULTI.replace('.', '/')}"
    assert volumes.labeled(MULTI) == ["ct1", "ct2"]
    assert volumes.images(MULTI, 0) == [f"{folder}/ct{n}/style-{style}.nii" for n in (1, 2) for style in (0, 1)]
    assert volumes.labels(MULTI) == [f"{RUN}/cases/ct/ct{n}/label.nii" for n in (1, 1, 2, 2)]
    assert volumes.images(MULTI, 0, ["ct2"]) == [f"{folder}/ct2/style-{style}.nii" for style in (0, 1)]
    assert volumes.labels(MULTI, ["ct2"]) == [f"{RUN}/cases/ct/ct2/label.nii"] * 2
    assert volumes.labels("ct-to-mr.cyclegan-single") == [f"{RUN}/cases/ct/ct{n}/label.nii" for n in (1, 2)]


def test_no_label_of_the_target_is_in_an_adapted_training_set():
    volumes = volumes_of(cases=LABELED)
    for made in TRANSLATIONS:
        files = [*volumes.images(f"ct-to-mr.{made}", 0), *volumes.labels(f"ct-to-mr.{made}")]
        assert files and not any("/mr/" in file for file in files)


def test_components_are_read_off_the_sources_labels_where_they_are_cleaned():
    table = f"{RUN}/structures/ct.tsv"
    cleaned, plain = (Method("m", "{source}", (), False, is_post_processed) for is_post_processed in (True, False))
    assert volumes_of().components_of_source("ct-to-mr", cleaned) == table, "budget demo"
    assert volumes_of().components_of_source("ct-to-mr", plain) == []
    assert volumes_of("inference: {keep_largest_component: false}").components_of_source("ct-to-mr", cleaned) == []
    assert volumes_of(cases=Cases((case("mr1", "test", True),))).components_of_source("ct-to-mr", cleaned) == []
    assert volumes_of("inference: {keep_largest_component: false}").structures_of_source("ct-to-mr") == table
    with pytest.raises(PlanError, match="no training case of domain ct has a label"):
        volumes_of(cases=Cases((case("mr1", "test", True),))).structures_of_source("ct-to-mr")


@pytest.mark.parametrize(
    ("text", "training_set", "network", "cases"),
    [
        (EXTRAS, MULTI, "dar_unet-randomized", [1, 2]),
        (EXTRAS, MULTI, "dar_unet", []),
        (EXTRAS, "ct", "dar_unet-randomized", []),
        ("{}", MULTI, "dar_unet-randomized", []),
        ("segmentation: {domain_randomization: {gin: 1}}", MULTI, "dar_unet-randomized", []),
    ],
)
def test_the_source_is_mixed_into_randomized_synthetic_volumes(text, training_set, network, cases):
    volumes = volumes_of(text)
    expected = [f"{RUN}/cases/ct/ct{n}/image.nii" for n in cases]
    assert volumes.mixed_in(training_set, network, "image.nii") == expected
    assert volumes.mixed_in(training_set, network, "image.nii", ["ct2"]) == expected[1:]
